/**
 * The promises of every event log; the test of each adapter runs them.
 */
import assert from "node:assert/strict";
import {
  LogFullError,
  LogOffsetError,
  SealedPartitionError,
  StaleWriterError,
} from "../../mesh/ports/event_log.ts";
import {
  type ContractTest,
  type EventLogUnderTest,
  type OpenOptions,
  readAll,
  text,
  words,
} from "./log_under_test.ts";
import { sharedAppendsContract } from "./shared_appends_contract.ts";

/** Waits for a listener, which an adapter may call some time after an append. */
async function until(condition: () => boolean): Promise<void> {
  const endsMs = performance.now() + 60_000;
  for (await Promise.resolve(); !condition();) {
    assert.ok(performance.now() < endsMs, "no listener was called");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export function eventLogContract(
  adapter: string,
  open: (options: OpenOptions) => Promise<EventLogUnderTest>,
): void {
  const test: ContractTest = (name, run, options = { partitions: 2 }) =>
    Deno.test(`${adapter}: ${name}`, async () => {
      const under = await open(options);
      try {
        await run(under);
      } finally {
        await under.dispose();
      }
    });
  test("records come back in order, with dense offsets, each partition for itself", async ({ log }) => {
    assert.equal(log.partitions, 2);
    assert.equal(await log.append(0, words("a", "b")), 0);
    assert.equal(await log.append(1, words("x")), 0);
    assert.equal(await log.append(0, words("c")), 2);
    assert.deepEqual(await readAll(log, 0), ["0:a", "1:b", "2:c"]);
    assert.deepEqual(await readAll(log, 1), ["0:x"]);
    assert.equal(await log.endOffset(0), 3);
    assert.equal(await log.endOffset(1), 1);
  });

  test("a read begins where it is told and is bounded", async ({ log }) => {
    await log.append(0, words("a", "b", "c", "d"));
    assert.deepEqual((await log.read(0, 1, 2)).map(({ offset }) => offset), [1, 2]);
    assert.deepEqual(await log.read(0, 4, 10), []);
    assert.deepEqual(await log.read(0, 99, 10), []);
    assert.deepEqual(await log.read(1, 0, 10), []);
  });

  test("concurrent appends keep the order of the calls and get disjoint offsets", async ({ log }) => {
    const firsts = await Promise.all(
      Array.from({ length: 200 }, (_, i) => log.append(0, words(`${i}`, `${i}!`))),
    );
    assert.deepEqual(firsts, firsts.map((_, i) => 2 * i));
    const records = await readAll(log, 0);
    assert.equal(records.length, 400);
    assert.equal(records[398], "398:199");
    assert.equal(records[399], "399:199!");
  });

  test("a durable append makes what was written before it durable too", async ({ log }) => {
    const seen: number[] = [];
    const writes = Array.from({ length: 50 }, async (_, i) => {
      const until = i % 5 === 4 ? "durable" : "written";
      const offset = await log.append(0, words(`${i}`), until);
      assert.equal(offset, i);
      if (until === "durable") seen.push(await log.endOffset(0));
    });
    await Promise.all(writes);
    seen.forEach((end, i) => assert.ok(end >= 5 * (i + 1), `${end} after ${5 * (i + 1)}`));
    assert.equal((await readAll(log, 0)).length, 50);
  });

  test("empty and large records survive", async ({ log }) => {
    const large = new Uint8Array(1_500_000).map((_, i) => i % 251);
    await log.append(0, [new Uint8Array(0), large, text("end")]);
    const [empty, same, end] = await log.read(0, 0, 3);
    assert.equal(empty.bytes.byteLength, 0);
    assert.deepEqual(same.bytes, large);
    assert.deepEqual(end.bytes, text("end"));
  });

  test("what was read is the reader's own, and what was appended stays the writer's", async ({ log }) => {
    const record = text("abc");
    await log.append(0, [record], "written");
    record.fill(0x64);
    await log.append(0, [record]);
    record.fill(0);
    const [first] = await log.read(0, 0, 1);
    first.bytes.fill(1);
    assert.deepEqual(await readAll(log, 0), ["0:abc", "1:ddd"]);
  });

  test("who listens to a partition knows its end without asking", async ({ log }) => {
    await log.append(0, words("a", "b"));
    const remove = log.onAppended(0, () => {});
    await until(() => log.knownEnd(0) === 2);
    await log.append(0, words("c"));
    await until(() => log.knownEnd(0) === 3);
    remove();
  });

  test("a listener hears of appends to its partition until it unsubscribes", async ({ log }) => {
    let heard = 0;
    const listener = () => heard++;
    const unsubscribe = log.onAppended(0, listener);
    const unsubscribeTwin = log.onAppended(0, listener);
    await log.append(1, words("other"));
    assert.equal(heard, 0);
    await log.append(0, words("a"));
    await until(() => heard >= 1);
    unsubscribe();
    const before = heard;
    await log.append(0, words("twin"));
    // The same function given twice is two listeners.
    await until(() => heard > before);
    unsubscribeTwin();
    const last = heard;
    await log.append(0, words("b"));
    await Promise.resolve();
    assert.equal(heard, last);
  });

  test("a follower gets each record once and in order, durable or not", async ({ log }) => {
    const got: string[] = [];
    let from = 0;
    let reading = Promise.resolve();
    const unsubscribe = log.onAppended(0, () => {
      reading = reading.then(async () => {
        for (;;) {
          const records = await log.read(0, from, 3, "follower");
          if (records.length === 0) return;
          for (const { offset, bytes } of records) {
            got.push(`${offset}:${new TextDecoder().decode(bytes)}`);
            from = offset + 1;
            bytes.fill(0); // they are the reader's own
          }
        }
      });
    });
    const expected: string[] = [];
    for (let i = 0; expected.length < 60; i++) {
      const records = Array.from({ length: i % 5 + 1 }, (_, j) => `${i}.${j}`);
      for (const record of records) expected.push(`${expected.length}:${record}`);
      await log.append(0, words(...records), i % 3 === 0 ? "durable" : "written");
      if (i % 4 === 0) await until(() => got.length === expected.length);
    }
    await until(() => got.length >= expected.length);
    await reading;
    assert.deepEqual(got, expected);
    unsubscribe();
  });

  test("a consumer's offset is 0 at first and then what it committed last", async ({ log }) => {
    assert.equal(await log.committedOffset("joiner", 0), 0);
    await Promise.all([
      log.commitOffset("joiner", 0, 3),
      log.commitOffset("joiner", 1, 8),
      log.commitOffset("joiner", 0, 5),
      log.commitOffset("trainer/0", 0, 1),
    ]);
    assert.equal(await log.committedOffset("joiner", 0), 5);
    assert.equal(await log.committedOffset("joiner", 1), 8);
    assert.equal(await log.committedOffset("trainer/0", 0), 1);
  });

  test("after a trim, reads below it begin at it and offsets go on", async ({ log }) => {
    await log.append(0, words("a", "b", "c"));
    await log.trim(0, 2);
    assert.deepEqual(await readAll(log, 0), ["2:c"]);
    assert.equal(await log.append(0, words("d")), 3);
    await log.trim(0, 99);
    assert.deepEqual(await readAll(log, 0), []);
    assert.equal(await log.endOffset(0), 4);
  });

  test("records before a roll can be removed, however few they are, and offsets go on", async ({ log }) => {
    await log.append(0, words("a", "b"));
    await log.roll?.(0);
    await log.roll?.(0);
    assert.equal(await log.append(0, words("c")), 2);
    assert.deepEqual(await readAll(log, 0), ["0:a", "1:b", "2:c"]);
    assert.equal(await log.storedFrom?.(0) ?? 0, 0);
    await log.trim(0, 2);
    assert.equal(await log.storedFrom?.(0) ?? 2, 2);
    assert.deepEqual(await readAll(log, 0), ["2:c"]);
  });

  test("a full log refuses the whole append and says what to do", async ({ log }) => {
    await log.append(0, [new Uint8Array(600)]);
    const error = await log.append(1, [new Uint8Array(10), new Uint8Array(600)]).catch((e) => e);
    assert.ok(error instanceof LogFullError);
    assert.match(error.message, /its limit is 1000; raise storage\.logBytesMax/);
    assert.equal(await log.endOffset(1), 0);
    assert.equal(log.refusal(), error);
    await log.append(1, [new Uint8Array(10)]);
    assert.equal(log.refusal(), undefined, "it takes appends again");
  }, { partitions: 2, bytesMax: 1_000 });

  test(
    "what is held is between the records' bytes and the limit, and a trim makes room",
    async ({ log }) => {
      let appended = 0;
      for (; await log.append(0, [new Uint8Array(100)]).then(() => true, () => false);) appended++;
      const { bytes, bytesMax } = log.usage();
      assert.equal(bytesMax, 10_000);
      assert.ok(bytes >= 100 * appended && bytes <= bytesMax, `${bytes} of ${appended} records`);
      assert.ok(log.refusal() instanceof LogFullError);
      await log.trim(0, appended);
      assert.equal(log.refusal(), undefined, "nobody has to append to find out");
      assert.ok(log.usage().bytes < bytes / 2, `${log.usage().bytes} after the trim`);
      await log.append(0, [new Uint8Array(100)]);
    },
    { partitions: 1, bytesMax: 10_000 },
  );

  test("a partition that does not exist is named", async ({ log }) => {
    await assert.rejects(async () => await log.append(2, words("a")), /partitions 0 to 1, not 2/);
  });

  test("a claimed partition takes appends of its epoch at its end only", async ({ log }) => {
    await log.append(0, words("a"));
    assert.equal(await log.claimedEpoch(0), 0);
    assert.equal(await log.claim(0, 3), 1);
    assert.equal(await log.claim(0, 3), 1, "the same claim again changes nothing");
    assert.deepEqual([await log.claimedEpoch(0), await log.claimedEpoch(1)], [3, 0]);
    const append = (epoch: number, expectedOffset: number) =>
      log.append(0, words("b"), "durable", { epoch, expectedOffset });
    assert.equal(await append(3, 1), 1);
    const misplaced = await append(3, 1).catch((error) => error);
    assert.ok(misplaced instanceof LogOffsetError);
    assert.deepEqual([misplaced.expected, misplaced.found], [1, 2]);
    await assert.rejects(log.append(0, words("c")), /came without an epoch; its writer must stop/);
    assert.equal(await log.append(1, words("x")), 0, "other partitions take appends as before");
    assert.deepEqual(await readAll(log, 0), ["0:a", "1:b"]);
  });

  test("a writer is refused from the moment at which a later one has claimed", async ({ log }) => {
    const end = await log.claim(0, 1);
    await log.append(0, words("a", "b"), "durable", { epoch: 1, expectedOffset: end });
    assert.equal(await log.claim(0, 2), 2, "the later writer sees everything before it");
    const stale = await log.append(0, words("c"), "written", { epoch: 1, expectedOffset: 2 })
      .catch((error) => error);
    assert.ok(stale instanceof StaleWriterError);
    assert.deepEqual([stale.epoch, stale.present], [1, 2]);
    await assert.rejects(log.claim(0, 1), StaleWriterError);
    await log.append(0, words("d"), "durable", { epoch: 2, expectedOffset: 2 });
    assert.deepEqual(await readAll(log, 0), ["0:a", "1:b", "2:d"]);
  });

  test("fenced appends of one writer may overlap", async ({ log }) => {
    await log.claim(0, 1);
    const firsts = await Promise.all(
      Array.from(
        { length: 40 },
        (_, i) =>
          log.append(0, words(`${i}`), i % 3 === 0 ? "durable" : "written", {
            epoch: 1,
            expectedOffset: i,
          }),
      ),
    );
    assert.deepEqual(firsts, firsts.map((_, i) => i));
    assert.equal((await readAll(log, 0)).slice(0, 37).length, 37);
  });

  test("a log that is extended seals its earlier partitions, and they can still be read", async (under) => {
    const { log } = under;
    if (!log.extend) return;
    await log.append(0, words("a"));
    await log.append(1, words("x"));
    await log.extend({ firstPartition: 2, partitions: 5 });
    assert.deepEqual([log.firstPartition, log.partitions], [2, 5]);
    const sealed = await log.append(1, words("y")).catch((error) => error);
    assert.ok(sealed instanceof SealedPartitionError, String(sealed));
    assert.match(sealed.message, /is sealed: records go to the partitions 2 to 4/);
    assert.equal(await log.append(4, words("b")), 0);
    assert.deepEqual(await readAll(log, 0), ["0:a"]);
    assert.equal(await log.endOffset(1), 1);
    // Neither number goes back, and the same extent changes nothing.
    await log.extend({ firstPartition: 0, partitions: 2 });
    await log.extend({ firstPartition: 2, partitions: 5 });
    assert.deepEqual([log.firstPartition, log.partitions], [2, 5]);
    await log.trim(0, 1);
    assert.deepEqual(await readAll(log, 0), []);
  });

  test("records, offsets and trims outlive a restart", async (under) => {
    if (!under.reopen) return;
    await under.log.append(0, words("a", "b", "c"));
    await under.log.commitOffset("joiner", 0, 2);
    await under.log.trim(0, 1);
    await under.log.claim(1, 7);
    const log = await under.reopen();
    await assert.rejects(log.claim(1, 6), StaleWriterError);
    assert.deepEqual(await readAll(log, 0), ["1:b", "2:c"]);
    assert.equal(await log.committedOffset("joiner", 0), 2);
    assert.equal(await log.append(0, words("d")), 3);
    assert.deepEqual(await readAll(log, 0, 2), ["2:c", "3:d"]);
  });

  sharedAppendsContract(test);
}
