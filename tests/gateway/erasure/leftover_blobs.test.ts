/**
 * Blobs that killed processes and former parts have left, as erasures find them.
 */
import assert from "node:assert/strict";
import { keepSnapshots, readManifests } from "../../../records/snapshot_manifest.ts";
import { erasureFixture } from "../erasure_fixture.ts";

const [FIRST, SECOND] = [1, 2].map((n) => `snapshots/00000000000000${n}`);

Deno.test("the bytes of a put that a kill left below an older snapshot hold the user", async () => {
  const { erasures, blobs, snapshot, eraseBesidesSnapshots, receipt, pass } =
    await erasureFixture();
  const erasureId = await eraseBesidesSnapshots();
  blobs.killIn(`${FIRST}/shard-0/chunk-00000`);
  assert.deepEqual(await receipt(erasureId), ["expiring", FIRST], "no snapshot proves it clean");
  await snapshot(2, 12);
  assert.deepEqual(await receipt(erasureId), ["expiring", FIRST]);
  await keepSnapshots(blobs, await readManifests(blobs));
  assert.deepEqual(await receipt(erasureId), ["erased"]);
  await pass(6);
  blobs.killIn(`${FIRST}/shard-0/chunk-00001`);
  assert.deepEqual(await receipt(erasureId), ["expiring", FIRST], "also when it was complete");
  await erasures.stop();
});

Deno.test("a put in progress for the snapshot that is being written holds no user", async () => {
  const { erasures, blobs, snapshot, eraseBesidesSnapshots, receipt } = await erasureFixture();
  const erasureId = await eraseBesidesSnapshots();
  await snapshot(1, 12);
  blobs.killIn(`${SECOND}/shard-0/chunk-00000`);
  assert.deepEqual(await receipt(erasureId), ["erased"]);
  await snapshot(2, 13);
  assert.deepEqual(await receipt(erasureId), ["expiring", SECOND], "it is no longer being written");
  await erasures.stop();
});

Deno.test("checkpoints of keepers that no longer exist are deleted before the user is forgotten", async () => {
  const keepers = [{ ask: () => Promise.resolve({ saved: [9, 9] }) }];
  const { erasures, blobs, pass, eraseLearned, receipt } = await erasureFixture({
    keepers: keepers as never,
  });
  for (const name of ["keeper/0/index", "keeper/1/t7/index", "keeper/12/3/0"]) {
    await blobs.put(name, new Uint8Array(3));
  }
  blobs.killIn("keeper/0/4/0");
  blobs.killIn("keeper/1/t7/4/0");
  const remove = blobs.delete.bind(blobs);
  blobs.delete = () => Promise.reject(new Error("Read-only file system"));
  const erasureId = await eraseLearned();
  await pass(4);
  assert.equal((await receipt(erasureId))[0], "erasing", "while they cannot be deleted");
  blobs.delete = remove;
  await pass(4);
  assert.equal((await receipt(erasureId))[0], "expiring");
  assert.deepEqual(await blobs.list("keeper/"), ["keeper/0/index"]);
  assert.deepEqual(await blobs.listUnfinished("keeper/"), ["keeper/0/4/0"]);
  await erasures.stop();
});

Deno.test("no checkpoint of a keeper is deleted before each keeper of the gateway's file has answered", async () => {
  let answers = false;
  const keepers = [{
    ask: () =>
      answers ? Promise.resolve({ saved: [9, 9] }) : Promise.reject(new Error("unreachable")),
  }];
  const { erasures, blobs, pass, eraseLearned, receipt } = await erasureFixture({
    keepers: keepers as never,
  });
  await blobs.put("keeper/1/t7/index", new Uint8Array(3));
  const erasureId = await eraseLearned();
  await pass(4);
  assert.deepEqual(await blobs.list("keeper/"), ["keeper/1/t7/index"]);
  assert.equal((await receipt(erasureId))[0], "erasing");
  answers = true;
  await pass(4);
  assert.deepEqual(await blobs.list("keeper/"), []);
  await erasures.stop();
});

Deno.test("the bytes of a receipt's unfinished puts go when the erasure is complete", async () => {
  const { erasures, blobs, snapshot, eraseBesidesSnapshots, pass } = await erasureFixture();
  const erasureId = await eraseBesidesSnapshots();
  const other = "erasures/other/request.json";
  for (const name of [`erasures/${erasureId}/request.json`, other]) blobs.killIn(name);
  await snapshot(2, 12);
  await pass(12);
  assert.deepEqual(await blobs.listUnfinished(""), [other]);
  await erasures.stop();
});
