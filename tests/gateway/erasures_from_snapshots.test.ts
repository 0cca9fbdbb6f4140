/**
 * Erasures as far as snapshots hold the user.
 */
import assert from "node:assert/strict";
import { readErasureRequest } from "../../records/erasure.ts";
import { pinSnapshot, unpinSnapshot } from "../../records/snapshot_manifest.ts";
import type { ShardPart } from "../../records/snapshot_parts.ts";
import { erasureFixture, PART, SOURCE } from "./erasure_fixture.ts";
import { json } from "./fixture.ts";

/** A shard's part whose first member was cut before the removals, and its second behind them. */
function continued(first: string, second: string): ShardPart {
  const member = (snapshot: string, sequence: number) => ({
    cut: { [SOURCE]: sequence },
    header: { ...PART, name: `${snapshot}/shard-0/header` },
    chunks: [],
  });
  return { shard: 0, ...member(second, 12), earlier: [member(first, 5)] };
}

const [FIRST, SECOND] = [1, 2].map((n) => `snapshots/00000000000000${n}`);

Deno.test("blobs of a deleted snapshot that a power failure brought back hold the user", async () => {
  const { erasures, blobs, snapshot, eraseBesidesSnapshots, receipt, pass } =
    await erasureFixture();
  const erasureId = await eraseBesidesSnapshots();
  await snapshot(2, 12);
  await blobs.put(`${FIRST}/trainer/0`, new Uint8Array(3));
  assert.deepEqual(await receipt(erasureId), ["expiring", FIRST]);
  await pass(6);
  await blobs.delete(`${FIRST}/trainer/0`);
  assert.deepEqual(await receipt(erasureId), ["erased"]);
  await pass(6);
  await blobs.put(`${FIRST}/shard-0/chunk-00000`, new Uint8Array(3));
  assert.deepEqual(await receipt(erasureId), ["expiring", FIRST], "also when it was complete");
  await erasures.stop();
});

Deno.test("a snapshot that continues an earlier one holds the user, whose manifest may be deleted", async () => {
  const { erasures, blobs, snapshot, eraseBesidesSnapshots, receipt } = await erasureFixture();
  const erasureId = await eraseBesidesSnapshots();
  await snapshot(2, 12, [continued(FIRST, SECOND)]);
  await blobs.put(`${FIRST}/shard-0/header`, new Uint8Array(3));
  assert.deepEqual(await receipt(erasureId), ["expiring", SECOND, FIRST]);
  await snapshot(3, 13);
  await blobs.delete(`${FIRST}/shard-0/header`);
  await blobs.delete(`${SECOND}/manifest.json`);
  assert.deepEqual(await receipt(erasureId), ["erased"]);
  await erasures.stop();
});

Deno.test("a snapshot with a damaged manifest holds the user", async () => {
  const { erasures, blobs, snapshot, eraseBesidesSnapshots, receipt } = await erasureFixture();
  const erasureId = await eraseBesidesSnapshots();
  await blobs.put(`${FIRST}/manifest.json`, new TextEncoder().encode("{"));
  assert.deepEqual(await receipt(erasureId), ["expiring", FIRST]);
  await snapshot(2, 12);
  assert.deepEqual(await receipt(erasureId), ["expiring", FIRST]);
  await erasures.stop();
});

Deno.test("a snapshot that is written now, or is deleted after the erasure, holds no user", async () => {
  const { erasures, blobs, snapshot, eraseBesidesSnapshots, receipt, pass } =
    await erasureFixture();
  const erasureId = await eraseBesidesSnapshots();
  await blobs.put(`${SECOND}/trainer/0`, new Uint8Array(3));
  assert.deepEqual(await receipt(erasureId), ["expiring", SECOND], "no snapshot proves it clean");
  await snapshot(1, 12);
  assert.deepEqual(await receipt(erasureId), ["erased"]);
  await pass(6);
  await snapshot(3, 13);
  await blobs.put(`${FIRST}/trainer/0`, new Uint8Array(3));
  await blobs.delete(`${FIRST}/manifest.json`);
  assert.deepEqual(await receipt(erasureId), ["erased"], `${FIRST} and ${SECOND} were without it`);
  await erasures.stop();
});

Deno.test("an erasure is not complete while the snapshots cannot be listed", async () => {
  const { erasures, gateway, blobs, eraseBesidesSnapshots, receipt, pass } = await erasureFixture();
  const list = blobs.list.bind(blobs);
  const erasureId = await eraseBesidesSnapshots();
  blobs.list = () => Promise.reject(new Error("Connection refused"));
  await pass(12);
  const answer = await gateway.app.request(`/v1/erasures/${erasureId}`);
  assert.equal(answer.status, 503);
  assert.match((await answer.json()).detail, /Connection refused/);
  assert.equal((await readErasureRequest(blobs, erasureId))?.completedAtMs, undefined);
  blobs.list = list;
  await pass(6);
  assert.deepEqual(await receipt(erasureId), ["erased"]);
  assert.ok((await readErasureRequest(blobs, erasureId))?.completedAtMs !== undefined);
  await erasures.stop();
});

Deno.test("a pinned snapshot has no time in the receipt, and nothing is released for it", async () => {
  const { erasures, pass, eraseLearned, snapshot, kinds, gateway, ...parts } =
    await erasureFixture();
  await snapshot(1, 5);
  await pinSnapshot(parts.blobs, "snapshots/000000000000001");
  const erasureId = await eraseLearned();
  for (const partition of [0, 1]) await parts.eventLog.trim(partition, 2);
  await parts.exampleLog.trim(0, 2);
  await pass(30);
  assert.deepEqual(await kinds(), []);
  const { status, holds } = await json(gateway.app.request(`/v1/erasures/${erasureId}`));
  assert.equal(status, "expiring");
  assert.deepEqual(holds, [{ kind: "snapshot", name: "snapshots/000000000000001" }]);
  await erasures.stop();
});

Deno.test("an erasure that waits for a trainer, or is held by a pinned snapshot, is overdue in log and metrics", async () => {
  for (const [pinned, learned] of [[true, true], [false, false]]) {
    const parts = await erasureFixture();
    const { erasures, blobs, pass, snapshot, feed, telemetry, eraseBesidesSnapshots } = parts;
    await snapshot(1, 5);
    if (pinned) await pinSnapshot(blobs, FIRST);
    const erasureId = learned
      ? await eraseBesidesSnapshots()
      : (await erasures.erase("ann")).request.erasureId;
    await pass(2);
    const values = () =>
      ["under_way", "overdue"].map((name) => telemetry.value(`cairn_erasures_${name}`));
    assert.deepEqual(values(), [1, 0]);
    await pass(90);
    assert.deepEqual(values(), [1, 1]);
    const late = telemetry.lines.filter(({ message }) => message.includes("is overdue"));
    assert.equal(late.length, 1);
    assert.deepEqual(late[0].fields?.waiting, learned ? [] : [SOURCE]);
    const holds = late[0].fields?.holds as { readonly kind: string }[];
    assert.ok(holds.some(({ kind }) => kind === "snapshot"));
    if (!pinned) continue;
    await unpinSnapshot(blobs, FIRST);
    await blobs.delete(`${FIRST}/manifest.json`);
    await snapshot(2, 12);
    feed.roundsComplete++;
    await pass(6);
    assert.deepEqual([...values(), erasureId.length > 0], [0, 0, true]);
    await erasures.stop();
  }
});
