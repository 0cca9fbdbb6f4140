/**
 * The promises of an event log that several gateways write: records that are appended once by their
 * id, and marks. A log without them skips these tests.
 */
import assert from "node:assert/strict";
import {
  ACCEPTANCE_STEP_MS,
  LogFullError,
  SealedPartitionError,
  StaleWriterError,
} from "../../mesh/ports/event_log.ts";
import { type ContractTest, readAll, text, words } from "./log_under_test.ts";

export function sharedAppendsContract(test: ContractTest): void {
  const once = (id: string, content = id, acceptedAtMs = 7) => ({
    id,
    content,
    acceptedAtMs,
    bytes: text(`${id}:${content}`),
    endsWithTime: false,
  });
  /** A record that ends with its time. */
  const at = (id: string, acceptedAtMs: number) => {
    const bytes = new Uint8Array(9);
    bytes[0] = id.charCodeAt(0);
    new DataView(bytes.buffer).setFloat64(1, acceptedAtMs);
    return { id, content: id, acceptedAtMs, bytes, endsWithTime: true };
  };
  const appendedAt = (acceptedAtMs: number) => ({ kind: "appended", acceptedAtMs });
  const earlierAt = (acceptedAtMs: number, isSame = true) => ({
    kind: "earlier",
    isSame,
    acceptedAtMs,
  });

  test("a record that is sent again under its id is appended once", async ({ log }) => {
    if (!log.appendOnce) return;
    assert.deepEqual(await log.appendOnce(0, [once("a"), once("b", "b", 7.5)]), [
      appendedAt(7),
      appendedAt(7.5),
    ]);
    const again = await log.appendOnce(0, [
      once("b", "b", 8),
      once("c", "c", 8.25),
      once("a", "other"),
      once("c", "c", 9),
    ]);
    assert.deepEqual(again, [
      earlierAt(7.5),
      appendedAt(8.25),
      earlierAt(7, false),
      earlierAt(8.25),
    ]);
    await log.append(0, words("d"));
    assert.deepEqual(await readAll(log, 0), ["0:a:a", "1:b:b", "2:c:c", "3:d"]);
    assert.deepEqual(await log.appendOnce(1, [once("z")]), [appendedAt(7)]);
    await log.claim(1, 1);
    await assert.rejects(log.appendOnce(1, [once("y")]), StaleWriterError);
  });

  test("an id is known to all partitions, and a record without one is appended each time", async ({ log }) => {
    if (!log.appendOnce) return;
    await log.appendOnce(0, [once("a")]);
    assert.deepEqual(await log.appendOnce(1, [once("a", "a", 9)]), [earlierAt(7)]);
    const { id: _, ...other } = once("other", "", 5);
    assert.deepEqual(await log.appendOnce(1, [other, other]), [appendedAt(5), appendedAt(5)]);
    assert.deepEqual(await readAll(log, 1), ["0:other:", "1:other:"]);
    const { id: __, ...timed } = at("t", 5);
    assert.deepEqual(await log.appendOnce(1, [timed, timed]), [
      appendedAt(5),
      appendedAt(5 + ACCEPTANCE_STEP_MS),
    ]);
  });

  test("a record before another is appended with it, once, and not with an earlier one", async ({ log }) => {
    if (!log.appendOnce) return;
    const withBefore = (id: string) => ({ ...at(id, 7), before: text(`before ${id}`) });
    await log.appendOnce(0, [once("a")]);
    assert.deepEqual(await log.appendOnce(0, [{ ...once("a"), before: text("none") }]), [
      earlierAt(7),
    ]);
    const added = await log.appendOnce(0, [withBefore("b"), once("c")]);
    assert.deepEqual(added.map(({ kind }) => kind), ["appended", "appended"]);
    const again = await log.appendOnce(0, [withBefore("b"), withBefore("b")]);
    assert.deepEqual(again.map(({ kind }) => kind), ["earlier", "earlier"]);
    const records = await readAll(log, 0);
    assert.deepEqual([records.length, records[1]], [4, "1:before b"]);
  });

  test("a log without room for a record and the one before it takes neither", async ({ log }) => {
    if (!log.appendOnce) return;
    const withBefore = { ...once("a"), before: text("before a") };
    await assert.rejects(log.appendOnce(0, [withBefore]), LogFullError);
    assert.equal(await log.endOffset(0), 0);
    assert.deepEqual(await log.appendOnce(0, [once("a")]), [appendedAt(7)]);
  }, { partitions: 1, bytesMax: 10 });

  test("a record is appended again once the log has forgotten its id", async ({ log }) => {
    if (!log.appendOnce) return;
    assert.deepEqual(await log.appendOnce(0, [once("a")]), [appendedAt(7)]);
    const endsMs = performance.now() + 60_000;
    for (let kind = "earlier"; kind === "earlier";) {
      assert.ok(performance.now() < endsMs, "the id was not forgotten");
      [{ kind }] = await log.appendOnce(0, [once("a", "a", 9)]);
    }
    assert.deepEqual(await readAll(log, 0), ["0:a:a", "1:a:a"]);
  }, { partitions: 1, idsRetainedMs: 20 });

  test("a record that was accepted before the newest one gets the next time, in its bytes too", async ({ log }) => {
    if (!log.appendOnce) return;
    const newestMs = 1.7e12 + 0.7;
    const nextMs = newestMs + ACCEPTANCE_STEP_MS;
    await log.appendOnce(0, [at("a", newestMs)]);
    assert.deepEqual(await log.appendOnce(0, [at("b", newestMs - 50), at("c", newestMs)]), [
      appendedAt(nextMs),
      appendedAt(nextMs + ACCEPTANCE_STEP_MS),
    ]);
    assert.deepEqual(await log.appendOnce(0, [at("b", newestMs + 9)]), [earlierAt(nextMs)]);
    assert.deepEqual(await log.appendOnce(0, [at("d", newestMs + 1)]), [appendedAt(newestMs + 1)]);
    const times = (await log.read(0, 0, 9)).map(({ bytes }) =>
      new DataView(bytes.buffer, bytes.byteOffset).getFloat64(1)
    );
    assert.deepEqual(times, [newestMs, nextMs, nextMs + ACCEPTANCE_STEP_MS, newestMs + 1]);
  });

  const markAt = (acceptedAtMs: number) => ({ bytes: new Uint8Array(9).fill(1), acceptedAtMs });

  test(
    "a mark comes to the partitions without a later record, with a time of its own in each",
    async ({ log }) => {
      if (!log.mark) return;
      await log.appendOnce?.(0, [at("a", 50), once("without a time", "x", 65)]);
      await log.appendOnce?.(1, [at("b", 900)]);
      const marked = [0, 1, 2].map((partition) => ({ partition, unlessAfterMs: 60 }));
      assert.deepEqual(await log.mark(marked, markAt(70)), [70, 900, 70]);
      assert.deepEqual(await log.mark(marked, markAt(71)), [70, 900, 70], "none is due");
      const later = [{ partition: 0, unlessAfterMs: 70 }, { partition: 1, unlessAfterMs: 900 }];
      assert.deepEqual(await log.mark(later, markAt(80)), [80, 900 + ACCEPTANCE_STEP_MS]);
      const timesOf = async (partition: number) =>
        (await log.read(partition, 0, 9)).filter(({ bytes }) => bytes[0] === 1)
          .map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset).getFloat64(1));
      assert.deepEqual(await timesOf(0), [70, 80]);
      assert.deepEqual(await timesOf(1), [900 + ACCEPTANCE_STEP_MS]);
      assert.deepEqual(await timesOf(2), [70]);
      assert.deepEqual(await log.appendOnce?.(2, [at("c", 69)]), [
        appendedAt(70 + ACCEPTANCE_STEP_MS),
      ]);
      assert.equal(log.usage().bytes, 3 * 9 + 4 * 9 + "without a time:x".length);
    },
    { partitions: 3 },
  );

  test("a log that has no room for all marks takes none of them", async ({ log }) => {
    if (!log.mark) return;
    const marked = [0, 1].map((partition) => ({ partition, unlessAfterMs: 60 }));
    await assert.rejects(log.mark(marked, markAt(70)), LogFullError);
    assert.deepEqual([await log.endOffset(0), await log.endOffset(1)], [0, 0]);
    assert.deepEqual(await log.mark(marked.slice(1), markAt(70)), [70]);
    assert.deepEqual(await log.mark(marked.slice(1), markAt(71)), [70], "it needs no room");
  }, { partitions: 2, bytesMax: 17 });

  test("marks are refused where one of their partitions is sealed", async ({ log }) => {
    if (!log.mark) return;
    await log.extend?.({ firstPartition: 1, partitions: 3 });
    const marked = [2, 0].map((partition) => ({ partition, unlessAfterMs: 60 }));
    await assert.rejects(log.mark(marked, markAt(70)), SealedPartitionError);
    assert.equal(await log.endOffset(2), 0);
  });

  test("acceptance times go on above those of sealed partitions, and ids are known there", async ({ log }) => {
    if (!log.appendOnce || !log.extend) return;
    await log.appendOnce(0, [at("a", 1_000)]);
    await log.appendOnce(1, [at("b", 2_000)]);
    await log.extend({ firstPartition: 2, partitions: 3 });
    await assert.rejects(log.appendOnce(0, [at("c", 3_000)]), SealedPartitionError);
    assert.deepEqual(await log.appendOnce(2, [at("c", 1_500), at("a", 1_600)]), [
      appendedAt(2_000 + ACCEPTANCE_STEP_MS),
      earlierAt(1_000),
    ]);
    assert.equal(log.refusal(), undefined);
  });
}
