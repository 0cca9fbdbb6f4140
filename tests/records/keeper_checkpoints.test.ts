import assert from "node:assert/strict";
import { deleteCheckpointsFrom } from "../../records/keeper_checkpoints.ts";
import { UnfinishedBlobStore } from "../unfinished_blob_store.ts";

Deno.test("the checkpoints of keepers from a number on are deleted", async () => {
  const blobs = new UnfinishedBlobStore();
  for (const shard of [0, 1, 2, 10]) {
    for (const name of ["1/0", "index"]) {
      await blobs.put(`keeper/${shard}/${name}`, new Uint8Array(1));
    }
    blobs.killIn(`keeper/${shard}/t3/2/0`);
  }
  await blobs.put("keep", new Uint8Array(1));
  await deleteCheckpointsFrom(blobs, 2);
  const kept = ["keep", "keeper/0/1/0", "keeper/0/index", "keeper/1/1/0", "keeper/1/index"];
  assert.deepEqual(await blobs.list(""), kept);
  assert.deepEqual(await blobs.listUnfinished(""), ["keeper/0/t3/2/0", "keeper/1/t3/2/0"]);
  await deleteCheckpointsFrom(blobs, 0);
  assert.deepEqual([await blobs.list(""), await blobs.listUnfinished("")], [["keep"], []]);
});
