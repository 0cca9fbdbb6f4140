/**
 * A shard that stops answers the takers of its deltas, instead of being waited for until they give
 * up: a host has many shards, and stops them one after another.
 */
import assert from "node:assert/strict";
import { defineEmbeddingShard } from "../../../actors/embedding_shard/definition.ts";
import { MovedShards } from "../../../actors/embedding_shard/moved_shards.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { oneClassShard } from "./one_class_shard.ts";

const BUDGET = { budgetMs: 5_000 };

Deno.test("a shard stops at once while takers wait for its next delta, or come just before the stop", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const blobs = new MemoryBlobStore();
  const shard = await mesh.settle(
    node.spawn(
      defineEmbeddingShard({ blobs, moved: new MovedShards() }),
      0,
      oneClassShard({ dim: 1, learningRate: 1, snapshotChunkRows: 10 }),
    ),
  );
  const take = { kind: "takeDeltas", rowsMax: 10 } as const;
  const first = { ...take, taker: "a", position: undefined };
  const { position } = await mesh.settle(shard.ask(first, BUDGET));
  const waiting = shard.ask({ ...take, taker: "a", position }, BUDGET);
  await mesh.advance(10);
  const late = shard.ask({ ...take, taker: "b", position }, BUDGET);
  const beganAtMs = mesh.clock.monotonicMs();
  assert.equal(await mesh.settle(node.stopActor("embedding_shard/0", 5_000)), 0);
  assert.equal(mesh.clock.monotonicMs() - beganAtMs, 0);
  assert.deepEqual((await waiting).deltas, []);
  assert.deepEqual((await late).deltas, []);
});
