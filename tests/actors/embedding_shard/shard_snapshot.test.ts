/**
 * The pace of a shard's snapshot: spread over time, and faster where rows change faster than that.
 */
import assert from "node:assert/strict";
import { defineEmbeddingShard } from "../../../actors/embedding_shard/definition.ts";
import { MovedShards } from "../../../actors/embedding_shard/moved_shards.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { oneClassShard } from "./one_class_shard.ts";

const ROWS = 6_000;
const DIM = 16;
const BUDGET = { budgetMs: 3_600_000 };
const SPREAD_MS = 60_000;

async function start({ chunkRows = 100, spreadMs = SPREAD_MS } = {}) {
  const mesh = new SimulatedMesh({ seed: 1 });
  const blobs = new MemoryBlobStore();
  const shard = await mesh.settle(
    mesh.node().spawn(
      defineEmbeddingShard({ blobs, moved: new MovedShards() }),
      0,
      oneClassShard({ dim: DIM, learningRate: 0.1, snapshotChunkRows: chunkRows }),
    ),
  );
  const opening = await mesh.settle(shard.ask({ kind: "openSource", source: "test" }, BUDGET));
  let sequence = 0;
  const learn = (from: number, to: number) => {
    const ids = BigUint64Array.from({ length: to - from }, (_, i) => BigInt(from + i + 1));
    return mesh.settle(
      shard.ask({
        kind: "applyGradients",
        source: "test",
        opening,
        sequence: ++sequence,
        ids,
        starts: Uint32Array.of(0, ids.length),
        gradients: new Float32Array(ids.length * DIM).fill(1),
        counts: new Uint32Array(ids.length).fill(1),
        atMs: 0,
      }, BUDGET),
    );
  };
  await learn(0, ROWS);
  const snapshot = async () => {
    const marks = [{ source: "test", sequence, opening }];
    await mesh.settle(shard.ask({ kind: "beginSnapshot", snapshot: "s", marks }, BUDGET));
    let endedAtMs = NaN;
    const part = shard.ask({ kind: "writeSnapshot", snapshot: "s", spreadMs }, BUDGET)
      .finally(() => endedAtMs = mesh.clock.monotonicMs());
    return { part, endedAtMs: () => endedAtMs };
  };
  const marks = () => [{ source: "test", sequence, opening }];
  return { mesh, shard, learn, snapshot, marks };
}

Deno.test("a snapshot is written without pauses where changing rows use up the memory to set them aside", async () => {
  const { mesh, shard, learn, snapshot } = await start();
  const beganAtMs = mesh.clock.monotonicMs();
  const { part, endedAtMs } = await snapshot();
  // All rows change within a second: more than fit into the memory for rows set aside.
  for (let from = 0; from < ROWS; from += 50) {
    await learn(from, from + 50);
    await mesh.advance(1_000 * 50 / ROWS);
  }
  await mesh.advance(1_000);
  const { chunks } = await part;
  assert.equal(chunks.reduce((sum, { rows }) => sum + rows, 0), ROWS);
  assert.ok(endedAtMs() - beganAtMs < 5_000, `${endedAtMs() - beganAtMs} ms`);
  const { rows } = await mesh.settle(shard.ask({ kind: "getStatistics" }, BUDGET));
  assert.equal(rows, ROWS);
});

Deno.test("a few changing rows do not shorten the pauses of a snapshot", async () => {
  const { mesh, learn, snapshot } = await start();
  const beganAtMs = mesh.clock.monotonicMs();
  const { part, endedAtMs } = await snapshot();
  for (let second = 0; second < 70; second++) {
    await learn(0, 50);
    await mesh.advance(1_000);
  }
  const { chunks } = await part;
  assert.equal(chunks.reduce((sum, { rows }) => sum + rows, 0), ROWS);
  const tookMs = endedAtMs() - beganAtMs;
  assert.ok(tookMs > 0.9 * SPREAD_MS && tookMs < 1.1 * SPREAD_MS, `${tookMs} ms`);
});

Deno.test("an order to abandon one snapshot does not end the next one", async () => {
  const { mesh, shard, snapshot, marks } = await start();
  const { part } = await snapshot();
  const failure = part.catch((error) => error.message);
  // The cut has a higher priority than the order: it is handled first.
  shard.tell({ kind: "abandonSnapshot", snapshot: "s" });
  await mesh.settle(shard.ask({ kind: "beginSnapshot", snapshot: "t", marks: marks() }, BUDGET));
  assert.match(await failure, /snapshot s was given up: another one was begun/);
  const { chunks } = await mesh.settle(
    shard.ask({ kind: "writeSnapshot", snapshot: "t", spreadMs: 0 }, BUDGET),
  );
  assert.equal(chunks.reduce((sum, { rows }) => sum + rows, 0), ROWS);
});

Deno.test("a shard stops at once while its snapshot is written", async () => {
  const { mesh, snapshot } = await start();
  const { part } = await snapshot();
  const failure = part.catch((error) => error.message);
  await mesh.advance(1_000);
  const beganAtMs = mesh.clock.monotonicMs();
  assert.equal(await mesh.settle(mesh.node().stopActor("embedding_shard/0", 5_000)), 0);
  assert.equal(mesh.clock.monotonicMs() - beganAtMs, 0);
  assert.match(await failure, /snapshot s was given up: .* embedding_shard\/0 moves or stops/);
});

Deno.test("a snapshot of many small chunks takes no longer than its spread", async () => {
  const { mesh, snapshot } = await start({ chunkRows: 1, spreadMs: 2_000 });
  const beganAtMs = mesh.clock.monotonicMs();
  const { part, endedAtMs } = await snapshot();
  await mesh.settle(part);
  assert.ok(endedAtMs() - beganAtMs < 2_100, `${endedAtMs() - beganAtMs} ms`);
});
