/**
 * Goal: a part of a mesh begins neither in the folder of a volume that is not mounted nor in a
 * store that has lost the snapshots which the mesh keeps.
 */
import assert from "node:assert/strict";
import { defineEmbeddingShard } from "../../actors/embedding_shard/definition.ts";
import { MovedShards } from "../../actors/embedding_shard/moved_shards.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { putMark } from "../../records/mesh_mark.ts";
import type { OwnBlobs } from "../../records/own_blobs.ts";
import { oneClassShard } from "./embedding_shard/one_class_shard.ts";
import { Loop } from "./loop.ts";

const mark = { mesh: "m", mark: "k" };
const own = { place: "storage.path (/data)", mark };
const kept = { ...own, oldestSnapshot: "snapshots/000000000000001" };

async function marked(): Promise<MemoryBlobStore> {
  const blobs = new MemoryBlobStore();
  await putMark(blobs, mark, "host");
  return blobs;
}

async function startShard(blobs: MemoryBlobStore, ownBlobs: OwnBlobs): Promise<void> {
  const mesh = new SimulatedMesh({ seed: 1 });
  const definition = defineEmbeddingShard({ blobs, moved: new MovedShards() });
  const options = oneClassShard({ dim: 1, learningRate: 1, snapshotChunkRows: 10 });
  await mesh.settle(mesh.node().spawn(definition, 0, { ...options, ownBlobs }));
  await mesh.stop();
}

async function startTrainer(blobs: MemoryBlobStore, ownBlobs: OwnBlobs): Promise<void> {
  const { eventLog, exampleLog } = await Loop.start();
  const loop = await Loop.start({
    storage: { eventLog, exampleLog, blobs },
    trainer: { ownBlobs },
  });
  await loop.stop();
}

async function startKeeper(blobs: MemoryBlobStore, ownBlobs: OwnBlobs): Promise<void> {
  const { eventLog, exampleLog } = await Loop.start();
  const features = [{ kind: "history", name: "seen", of: { action: "shown" }, last: 2 }] as const;
  const loop = await Loop.start({
    storage: { eventLog, exampleLog, blobs },
    kept: { features, ownBlobs },
  });
  await loop.stop();
}

const starts = { shard: startShard, trainer: startTrainer, "feature keeper": startKeeper };

for (const [part, start] of Object.entries(starts)) {
  Deno.test(`a ${part} does not begin in a store without the mark of its mesh`, async () => {
    await assert.rejects(
      start(new MemoryBlobStore(), own),
      /\(\/data\) is not the store of this/,
    );
    await start(await marked(), own);
  });
}

Deno.test("a shard or a trainer does not begin without the snapshots that the mesh keeps", async () => {
  for (const start of [startShard, startTrainer]) {
    await assert.rejects(
      start(await marked(), kept),
      /\(\/data\) lacks snapshots\/0+1 and all later/,
    );
  }
});

Deno.test("a feature keeper, which reads no snapshot, begins without them", async () => {
  await startKeeper(await marked(), kept);
});
