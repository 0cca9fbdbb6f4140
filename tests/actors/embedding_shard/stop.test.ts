/**
 * A shard that stops answers or refuses what waits in it, instead of being waited for until the
 * askers give up: a host has many shards, and stops them one after another.
 */
import assert from "node:assert/strict";
import { defineEmbeddingShard } from "../../../actors/embedding_shard/definition.ts";
import { MovedShards } from "../../../actors/embedding_shard/moved_shards.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { oneClassShard } from "./one_class_shard.ts";

const BUDGET = { budgetMs: 5_000 };

async function start() {
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
  const opening = await mesh.settle(shard.ask({ kind: "openSource", source: "test" }, BUDGET));
  /** Resolves with the answer, or the name of the error. */
  const learn = (sequence: number) =>
    shard.ask({
      kind: "applyGradients",
      source: "test",
      opening,
      sequence,
      ids: BigUint64Array.of(7n),
      starts: Uint32Array.of(0, 1),
      gradients: Float32Array.of(1),
      counts: Uint32Array.of(1),
      atMs: 0,
    }, BUDGET).catch(({ name }) => name);
  const finish = { kind: "finishCopy", copy: "c", applied: [0], rowsMax: 10 } as const;
  return {
    mesh,
    shard,
    learn,
    beginCopy: () => mesh.settle(shard.ask({ kind: "beginCopy", copy: "c" }, BUDGET)),
    finishCopy: () => shard.ask(finish, BUDGET),
    /** Stops the shard, which gives up nothing and takes no time. */
    stop: async () => {
      const beganAtMs = mesh.clock.monotonicMs();
      assert.equal(await mesh.settle(node.stopActor("embedding_shard/0", 5_000)), 0);
      assert.equal(mesh.clock.monotonicMs() - beganAtMs, 0);
    },
  };
}

Deno.test("a shard stops at once while takers wait for its next delta, or come just before the stop", async () => {
  const { mesh, shard, stop } = await start();
  const take = { kind: "takeDeltas", rowsMax: 10 } as const;
  const first = { ...take, taker: "a", position: undefined };
  const { position } = await mesh.settle(shard.ask(first, BUDGET));
  const waiting = shard.ask({ ...take, taker: "a", position }, BUDGET);
  await mesh.advance(10);
  const late = shard.ask({ ...take, taker: "b", position }, BUDGET);
  await stop();
  assert.deepEqual((await waiting).deltas, []);
  assert.deepEqual((await late).deltas, []);
});

Deno.test("a shard that is copied stops at once while its host waits for the freeze", async () => {
  const { mesh, shard, beginCopy, stop } = await start();
  await beginCopy();
  const waiting = shard.ask({ kind: "awaitFreeze" }, BUDGET);
  await mesh.advance(10);
  const late = shard.ask({ kind: "awaitFreeze" }, BUDGET);
  await stop();
  assert.equal((await waiting)?.isFrozen, false);
  assert.equal((await late)?.isFrozen, false);
});

Deno.test("a frozen shard stops at once, and refuses what waits for the end of its move", async () => {
  const { mesh, shard, beginCopy, finishCopy, learn, stop } = await start();
  assert.deepEqual(await mesh.settle(learn(1)), { applied: true });
  await beginCopy();
  const { handover } = await mesh.settle(finishCopy());
  assert.deepEqual(handover?.marks, [["test", 1]], "a refused sender asks the next owner");
  const waiting = learn(2);
  const take = { kind: "takeDeltas", taker: "a", position: undefined, rowsMax: 10 } as const;
  const taking = shard.ask(take, BUDGET).catch(({ name }) => name);
  await mesh.advance(10);
  const late = learn(3);
  await stop();
  assert.deepEqual(
    [await waiting, await taking, await late],
    Array(3).fill("ShardMovingError"),
  );
});

Deno.test("a shard that is frozen as it stops hands over, and refuses what comes after", async () => {
  const { beginCopy, finishCopy, learn, stop } = await start();
  await beginCopy();
  const before = learn(1);
  const finished = finishCopy();
  const after = learn(2);
  await stop();
  assert.deepEqual(await before, { applied: true });
  assert.deepEqual((await finished).handover?.marks, [["test", 1]]);
  assert.equal(await after, "ShardMovingError");
});

Deno.test("the move of a frozen shard can be given up as the shard stops", async () => {
  const { mesh, shard, beginCopy, finishCopy, learn, stop } = await start();
  await beginCopy();
  await mesh.settle(finishCopy());
  const waiting = learn(1);
  await mesh.advance(10);
  const abandoned = shard.ask({ kind: "abandonCopy", copy: "c" }, BUDGET);
  await stop();
  assert.equal(await abandoned, undefined);
  assert.equal(await waiting, "ShardMovingError", "refused, and never applied");
});
