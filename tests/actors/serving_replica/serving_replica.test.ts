import assert from "node:assert/strict";
import { defineServingReplica } from "../../../actors/serving_replica/definition.ts";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";

const BUDGET = { budgetMs: 100 };
const kernel = BatchKernel.create();

/** A replica whose rows have one weight. */
async function startReplica({ bytesMax = 1 << 20 } = {}) {
  const mesh = new SimulatedMesh({ seed: 1 });
  const spawn = () =>
    mesh.settle(
      mesh.node().spawn(defineServingReplica(), 0, {
        shard: 0,
        widths: [1],
        precision: "fp32",
        bytesMax,
      }),
    );
  const replica = await spawn();
  return {
    mesh,
    replica,
    async restart() {
      await mesh.settle(mesh.node().stopActor("serving_replica/0", 0));
      await spawn();
    },
    counted: (name: string) => mesh.telemetry.value(name, { shard: "0" }),
    /** One page of a fill: weights by id. */
    load(
      weights: Record<number, number>,
      { first, sequence }: { first: boolean; sequence?: number },
    ) {
      const ids = BigUint64Array.from(Object.keys(weights), BigInt);
      const rows = Float32Array.from(Object.values(weights));
      const position = sequence === undefined ? {} : { position: { lineage: "first", sequence } };
      const page = { kind: "loadRows", class: 0, ids, rows, first, ...position } as const;
      return mesh.settle(replica.ask(page, BUDGET));
    },
    async applyDelta(
      sequence: number,
      weights: Record<number, number>,
      { lineage = "first", evicted = [] as number[] } = {},
    ) {
      const ids = BigUint64Array.from(Object.keys(weights), BigInt);
      const rows = Float32Array.from(Object.values(weights));
      const tombstones = BigUint64Array.from(evicted, BigInt);
      const checksum = kernel.crc32c(ids, rows, tombstones);
      const classes = [{ ids, rows, tombstones, checksum }];
      const delta = { shard: 0, lineage, sequence, classes };
      return (await mesh.settle(replica.ask({ kind: "applyDelta", delta }, BUDGET))).status;
    },
    mark: (learnedThroughMs: number | undefined) =>
      mesh.settle(replica.ask({ kind: "setMark", learnedThroughMs }, BUDGET)),
    /** The mark that a lookup is answered with. */
    async marked() {
      const nothing = { ids: new BigUint64Array(0), starts: Uint32Array.of(0, 0) };
      return (await mesh.settle(replica.ask({ kind: "lookup", ...nothing }, BUDGET)))
        .learnedThroughMs;
    },
    /** The weights of ids 1 to 3; undefined where there is no row. */
    async weights() {
      const ids = BigUint64Array.of(1n, 2n, 3n);
      const starts = Uint32Array.of(0, 3);
      const lookup = { kind: "lookup", ids, starts } as const;
      const { rows, found } = await mesh.settle(replica.ask(lookup, BUDGET));
      return Array.from(rows, (weight, at) => found[at] ? weight : undefined);
    },
  };
}

Deno.test("a replica refuses lookups until its first fill is complete", async () => {
  const { mesh, load, weights } = await startReplica();
  await load({ 1: 10 }, { first: true });
  await assert.rejects(weights(), { name: "ReplicaNotCurrentError" });
  await load({ 2: 20 }, { first: false, sequence: 5 });
  assert.deepEqual(await weights(), [10, 20, undefined]);
  await mesh.stop();
});

Deno.test("a replica that restarted during a fill refuses its remaining pages", async () => {
  const { mesh, load, weights } = await startReplica();
  await assert.rejects(load({ 2: 20 }, { first: false, sequence: 5 }), {
    name: "FillLostError",
  });
  await assert.rejects(weights(), { name: "ReplicaNotCurrentError" });
  await load({ 1: 10 }, { first: true });
  await load({ 2: 20 }, { first: false, sequence: 5 });
  assert.deepEqual(await weights(), [10, 20, undefined]);
  await mesh.stop();
});

Deno.test("a replica serves its earlier rows during a fill, and then exactly the rows of the fill", async () => {
  const { mesh, load, applyDelta, weights } = await startReplica();
  await load({ 1: 10, 2: 20, 3: 30 }, { first: true, sequence: 5 });
  await load({ 3: 31 }, { first: true }); // this fill is not finished
  await load({ 1: 11 }, { first: true });
  assert.deepEqual(await weights(), [11, 20, 31]);
  assert.equal(await applyDelta(6, { 2: 99 }), "gap", "deltas are refused during a fill");
  await load({ 2: 21 }, { first: false, sequence: 9 });
  assert.deepEqual(await weights(), [11, 21, undefined]);
  assert.equal(await applyDelta(10, { 3: 32 }), "applied");
  assert.deepEqual(await weights(), [11, 21, 32]);
  await mesh.stop();
});

Deno.test("a delta of another lineage is refused, whatever its number", async () => {
  const { mesh, load, applyDelta, weights } = await startReplica();
  assert.equal(await applyDelta(1, { 1: 10 }), "gap", "it has no rows yet");
  await load({ 1: 10 }, { first: true, sequence: 5 });
  assert.equal(await applyDelta(6, { 2: 20 }), "applied");
  for (const sequence of [1, 6, 7]) {
    assert.equal(await applyDelta(sequence, { 3: 30 }, { lineage: "second" }), "gap");
  }
  assert.deepEqual(await weights(), [10, 20, undefined]);
  await mesh.stop();
});

Deno.test("looked-up ids without a row are counted", async () => {
  const { mesh, load, weights, counted } = await startReplica();
  await load({ 1: 10 }, { first: true, sequence: 5 });
  await weights();
  await weights();
  assert.equal(counted("cairn_replica_lookups_total"), 6);
  assert.equal(counted("cairn_replica_missing_total"), 4);
  await mesh.stop();
});

Deno.test("a replica removes the rows that a delta evicts, and a later delta can bring them back", async () => {
  const { mesh, load, applyDelta, weights, counted } = await startReplica();
  await load({ 1: 10, 2: 20, 3: 30 }, { first: true, sequence: 5 });
  assert.equal(await applyDelta(6, { 1: 11 }, { evicted: [2, 3] }), "applied");
  assert.deepEqual(await weights(), [11, undefined, undefined]);
  assert.equal(counted("cairn_replica_rows"), 1);
  assert.equal(await applyDelta(7, { 3: 32 }), "applied");
  assert.deepEqual(await weights(), [11, undefined, 32]);
  await mesh.stop();
});

Deno.test("a replica at its memory limit leaves new rows out, counts them, and follows the deltas", async () => {
  const { mesh, replica, load, applyDelta, weights, counted } = await startReplica({
    bytesMax: 100_000,
  });
  await load({ 1: 10, 2: 20 }, { first: true, sequence: 5 });
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [1000 + at, at]));
  assert.equal(await applyDelta(6, many), "applied");
  const statistics = await mesh.settle(replica.ask({ kind: "getStatistics" }, BUDGET));
  assert.ok(statistics.rows > 1000 && statistics.bytes <= 100_000);
  assert.equal(statistics.rows + statistics.rowsLeftOut, 10_002);
  assert.equal(counted("cairn_replica_rows_left_out_total"), statistics.rowsLeftOut);

  assert.equal(await applyDelta(7, { 1: 11 }), "applied", "existing rows are updated");
  const served = Object.keys(many).slice(0, 500).map(Number);
  assert.equal(await applyDelta(8, { 3: 33 }, { evicted: served }), "applied");
  assert.deepEqual(await weights(), [11, 20, 33], "an evicted row makes room for a new one");
  await mesh.stop();
});

Deno.test("lookups are answered with the mark that the replica was given, until it is taken back", async () => {
  const { mesh, load, applyDelta, mark, marked } = await startReplica();
  await load({ 1: 10 }, { first: true, sequence: 1 });
  assert.equal(await marked(), undefined);
  await mark(500);
  assert.equal(await marked(), 500);
  await applyDelta(2, { 1: 11 });
  assert.equal(await marked(), 500, "later rows know no less");
  await mark(undefined);
  assert.equal(await marked(), undefined);
  await mark(300);
  assert.equal(await marked(), 300);
  await mesh.stop();
});

Deno.test("a replica that has restarted has lost its mark", async () => {
  const { mesh, load, mark, marked, restart } = await startReplica();
  await load({ 1: 10 }, { first: true, sequence: 1 });
  await mark(500);
  await restart();
  await load({ 1: 10 }, { first: true, sequence: 1 });
  assert.equal(await marked(), undefined);
  await mesh.stop();
});

Deno.test("a replica refuses arrays that do not fit its rows, and serves on", async () => {
  const { mesh, replica, load, weights } = await startReplica();
  await load({ 1: 10 }, { first: true, sequence: 5 });
  const ids = BigUint64Array.of(1n, 2n);
  for (const starts of [[0, 3], [0, 1], [1, 2], [0, 1, 2]].map((each) => Uint32Array.from(each))) {
    await assert.rejects(mesh.settle(replica.ask({ kind: "lookup", ids, starts }, BUDGET)), {
      name: "RangeError",
    });
  }
  const misfits = [
    [0, Float32Array.of(1, 2, 3)],
    [0, Uint16Array.of(1, 2)],
    [1, Float32Array.of(1, 2)],
  ] as const;
  for (const [rowClass, rows] of misfits) {
    const page = { kind: "loadRows", class: rowClass, ids, rows, first: true } as const;
    await assert.rejects(mesh.settle(replica.ask(page, BUDGET)), { name: "RangeError" });
    const tombstones = new BigUint64Array(0);
    const checksum = kernel.crc32c(ids, rows, tombstones);
    const classes = [];
    classes[rowClass] = { ids, rows, tombstones, checksum };
    const delta = { shard: 0, lineage: "first", sequence: 6, classes };
    const { status } = await mesh.settle(replica.ask({ kind: "applyDelta", delta }, BUDGET));
    assert.equal(status, "corrupt");
  }
  assert.deepEqual(await weights(), [10, undefined, undefined], "nor does it begin a fill");
  await mesh.stop();
});
