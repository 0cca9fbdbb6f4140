/**
 * Users who are erased again while an erasure of theirs is unfinished.
 */
import assert from "node:assert/strict";
import { Erasures } from "../../../gateway/erasure/erasures.ts";
import type { BlobStore } from "../../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../../mesh/ports/event_log.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { readErasureRequest } from "../../../records/erasure.ts";
import { decodeEvent } from "../../../records/event_record.ts";
import { erasureFixture } from "../erasure_fixture.ts";
import { json } from "../fixture.ts";

/** Erasure and pass of each record that erases. */
async function passesIn(log: EventLog, partition = 0): Promise<[string, number][]> {
  const records = (await log.read(partition, 0, 1_000)).map(({ bytes }) => decodeEvent(bytes));
  return records.flatMap((record) =>
    record.kind === "forget" ? [[record.erasureId, record.pass] as [string, number]] : []
  );
}

async function erase(erasures: Erasures, user: string): Promise<string> {
  const { request } = await erasures.erase(user);
  return request.erasureId;
}

/** Refuses the receipts of new erasures. */
function refuseReceipts(blobs: BlobStore): () => void {
  const put = blobs.put.bind(blobs);
  blobs.put = () => Promise.reject(new Error("No space left on device"));
  return () => blobs.put = put;
}

Deno.test("of several erasures of one user the last passes the log again, and the receipts of all follow it", async () => {
  const { erasures, pass, learn, feed, ...parts } = await erasureFixture();
  const { eventLog, exampleLog, telemetry, gateway } = parts;
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) {
    ids.push(await erase(erasures, "ann"));
    await pass(1);
  }
  const other = await erase(erasures, "bob");
  await pass(5);
  const last = ids[2];
  const first = ids.map((id) => [id, 1]);
  assert.deepEqual(await passesIn(eventLog), [...first, [other, 1], [last, 2], [other, 2]]);
  assert.deepEqual(await passesIn(eventLog, 1), [...first, [other, 1], [last, 2], [other, 2]]);

  const statuses = () =>
    Promise.all(
      ids.map(async (id) => (await json(gateway.app.request(`/v1/erasures/${id}`))).status),
    );
  assert.deepEqual(await statuses(), ["erasing", "erasing", "erasing"]);
  for (const id of [last, other]) for (const which of [1, 2] as const) await learn(id, which);
  await pass(1);
  feed.roundsComplete += 4;
  await pass(2);
  assert.deepEqual(await statuses(), ["expiring", "expiring", "expiring"]);
  for (const partition of [0, 1]) {
    await eventLog.trim(partition, await eventLog.endOffset(partition));
  }
  await exampleLog.trim(0, 4);
  await pass(12);
  assert.deepEqual(await statuses(), ["erased", "erased", "erased"]);
  assert.equal(telemetry.value("cairn_erasures_under_way"), 0);
  const receipts = await Promise.all(
    ids.map((id) => json(gateway.app.request(`/v1/erasures/${id}`))),
  );
  assert.deepEqual(receipts.map(({ erasureId }) => erasureId), ids);
  assert.equal(new Set(receipts.map(({ requestedAtMs }) => requestedAtMs)).size, 3);
  await erasures.stop();
});

Deno.test("an erasure that goes on late leaves its second pass to one that another gateway took", async () => {
  const first = await erasureFixture({ host: "one" });
  const earlier = await erase(first.erasures, "ann");
  await first.erasures.stop();
  const second = new Erasures({ ...first, host: "two", random: new SeededRandom(9) });
  await second.start();
  const later = await erase(second, "ann");
  await first.pass(5);
  const restarted = new Erasures({ ...first, host: "one" });
  await restarted.start();
  await first.pass(5);
  assert.deepEqual(await passesIn(first.eventLog), [[earlier, 1], [later, 1], [later, 2]]);
  assert.equal((await readErasureRequest(first.blobs, earlier))?.continuedBy, later);
  const states = await Promise.all([restarted.read(earlier), second.read(earlier)]);
  assert.ok(states.every((state) => state?.request.secondAt?.length === 2));
  await second.stop();
  await restarted.stop();
});

Deno.test("an erasure whose receipt was never written does not take the second pass of an earlier one", async () => {
  const { erasures, blobs, eventLog, pass } = await erasureFixture();
  const earlier = await erase(erasures, "ann");
  const allow = refuseReceipts(blobs);
  await assert.rejects(erasures.erase("ann"), /No space left/);
  allow();
  await pass(5);
  const passes = await passesIn(eventLog);
  assert.deepEqual(passes.map(([, pass]) => pass), [1, 1, 2]);
  assert.deepEqual([passes[0][0], passes[2][0]], [earlier, earlier]);
  await erasures.stop();
});

Deno.test("an erasure after the second pass of another has both passes of its own", async () => {
  const { erasures, eventLog, pass } = await erasureFixture();
  const earlier = await erase(erasures, "ann");
  await pass(5);
  const later = await erase(erasures, "ann");
  await pass(5);
  const passes = [[earlier, 1], [earlier, 2], [later, 1], [later, 2]];
  assert.deepEqual(await passesIn(eventLog), passes);
  await erasures.stop();
});

Deno.test("an erasure goes on by itself when the receipt of the one that continued it is deleted", async () => {
  const { erasures, eventLog, blobs, pass } = await erasureFixture();
  const earlier = await erase(erasures, "ann");
  await pass(1);
  const later = await erase(erasures, "ann");
  await pass(2);
  assert.equal((await readErasureRequest(blobs, earlier))?.continuedBy, later);
  await blobs.delete(`erasures/${later}/request.json`);
  const allow = refuseReceipts(blobs);
  await pass(2);
  allow();
  await blobs.delete(`erasures/${later}/request.json`);
  await pass(3);
  const passes = (await passesIn(eventLog)).filter(([id]) => id === earlier);
  assert.deepEqual(passes.map(([, pass]) => pass), [1, 2]);
  assert.equal((await erasures.read(earlier))?.request.continuedBy, undefined);
  await erasures.stop();
});

Deno.test("a clock that is set neither hastens nor delays the second pass and the releases", async () => {
  for (const byMs of [3_600_000, -3_600_000]) {
    const { erasures, clock, eventLog, kinds, pass, learn, feed } = await erasureFixture();
    const erasureId = await erase(erasures, "ann");
    clock.stepWall(byMs);
    // An earlier request may take gateway.deadline, 1 s, and end within a second.
    await pass(1);
    assert.deepEqual(await passesIn(eventLog), [[erasureId, 1]]);
    await pass(2);
    assert.deepEqual(await passesIn(eventLog), [[erasureId, 1], [erasureId, 2]]);
    for (const which of [1, 2] as const) await learn(erasureId, which);
    await pass(1);
    feed.roundsComplete += 4;
    await pass(7);
    const releases = async () => (await kinds()).filter((kind) => kind === "release").length;
    const before = await releases();
    assert.ok(before > 0);
    clock.stepWall(byMs);
    await pass(6);
    assert.equal(await releases(), before + 1, "one interval of 5 s has passed");
    await erasures.stop();
  }
});
