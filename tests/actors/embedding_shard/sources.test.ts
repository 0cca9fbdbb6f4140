/**
 * Openings of a source at a shard: the mark that a trainer resumes from, and the end of everything
 * that was sent before.
 */
import assert from "node:assert/strict";
import { defineEmbeddingShard } from "../../../actors/embedding_shard/definition.ts";
import { MovedShards } from "../../../actors/embedding_shard/moved_shards.ts";
import type { LearnedChunk, SourceOpening } from "../../../actors/embedding_shard/protocol.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { oneClassShard } from "./one_class_shard.ts";

const BUDGET = { budgetMs: 1_000 };

async function startShard() {
  const mesh = new SimulatedMesh({ seed: 1 });
  const shard = await mesh.settle(
    mesh.node().spawn(
      defineEmbeddingShard({ blobs: new MemoryBlobStore(), moved: new MovedShards() }),
      0,
      oneClassShard({ dim: 1, learningRate: 1, snapshotChunkRows: 100 }),
    ),
  );
  return {
    mesh,
    open: (tenure = 0) => shard.ask({ kind: "openSource", source: "trainer/0", tenure }, BUDGET),
    learn: (opening: SourceOpening, sequence: number, chunk?: LearnedChunk) =>
      shard.ask({
        kind: "applyGradients",
        source: "trainer/0",
        sequence,
        chunk,
        opening,
        ids: BigUint64Array.of(1n),
        starts: Uint32Array.of(0, 1),
        gradients: Float32Array.of(-1),
        counts: Uint32Array.of(1),
        atMs: 0,
      }, BUDGET),
    cut: (opening: SourceOpening, sequence: number) =>
      shard.ask({
        kind: "beginSnapshot",
        snapshot: "snapshots/1",
        marks: [{ source: "trainer/0", sequence, opening }],
      }, BUDGET),
    weight: async () => {
      const lookup = { kind: "lookup", missing: "zeros" } as const;
      const ids = BigUint64Array.of(1n), starts = Uint32Array.of(0, 1);
      return (await mesh.settle(shard.ask({ ...lookup, ids, starts }, BUDGET))).rows[0];
    },
  };
}

Deno.test("an opening waits behind the gradients that were sent before it, and its mark holds them", async () => {
  const { mesh, open, learn } = await startShard();
  const first = await mesh.settle(open());
  const learned = [learn(first, 8), learn(first, 16)];
  const second = open(); // all three are in the mailbox at once
  await mesh.settle(Promise.all(learned));
  assert.equal((await mesh.settle(second)).sequence, 16);
  await mesh.stop();
});

Deno.test("gradients and cuts of an earlier opening are refused, however late they arrive", async () => {
  const { mesh, open, learn, cut, weight } = await startShard();
  const first = await mesh.settle(open());
  await mesh.settle(learn(first, 8));
  const second = await mesh.settle(open());
  assert.equal(second.incarnation, first.incarnation);
  await assert.rejects(mesh.settle(learn(first, 16)), { name: "SourceReopenedError" });
  await assert.rejects(mesh.settle(cut(first, 16)), { name: "SourceReopenedError" });
  assert.equal(await weight(), 1);
  assert.deepEqual(await mesh.settle(learn(second, 16)), { applied: true });
  assert.equal(await weight(), 2);
  const other = { ...second, incarnation: "another" };
  await assert.rejects(mesh.settle(learn(other, 24)), { name: "ShardRestartedError" });
  await mesh.stop();
});

Deno.test("a cut before gradients that the shard has applied is refused", async () => {
  const { mesh, open, learn, cut } = await startShard();
  const opening = await mesh.settle(open());
  await mesh.settle(learn(opening, 16));
  await assert.rejects(mesh.settle(cut(opening, 8)), { name: "CutPassedError" });
  await mesh.settle(cut(opening, 16));
  await mesh.stop();
});

Deno.test("a trainer of an earlier epoch cannot open its source again", async () => {
  const { mesh, open, learn, weight } = await startShard();
  const first = await mesh.settle(open(1));
  await mesh.settle(learn(first, 8));
  const second = await mesh.settle(open(2));
  assert.equal(second.sequence, 8);
  await assert.rejects(mesh.settle(learn(first, 16)), { name: "SourceReopenedError" });
  await assert.rejects(mesh.settle(open(1)), {
    name: "SourceTakenError",
    message:
      "embedding_shard/0 takes nothing from trainer/0 of tenure 1: the one of tenure 2 has " +
      "its partition.",
  });
  await mesh.settle(learn(second, 16));
  assert.ok((await mesh.settle(open(2))).epoch > second.epoch, "its own restart opens it again");
  assert.equal(await weight(), 2);
  await mesh.stop();
});

Deno.test("an opening tells the chunk of the newest gradients, which a cut leaves", async () => {
  const { mesh, open, learn, cut } = await startShard();
  const first = await mesh.settle(open());
  assert.equal((await mesh.settle(open())).chunk, undefined);
  const second = await mesh.settle(open());
  assert.notEqual(second.epoch, first.epoch);
  await mesh.settle(learn(second, 8, { offset: 3, checksum: 7 }));
  // The shard has applied this batch.
  await mesh.settle(learn(second, 8, { offset: 4, checksum: 8 }));
  await mesh.settle(cut(second, 16));
  const { sequence, chunk } = await mesh.settle(open());
  assert.deepEqual({ sequence, chunk }, { sequence: 16, chunk: { offset: 3, checksum: 7 } });
  await mesh.stop();
});
