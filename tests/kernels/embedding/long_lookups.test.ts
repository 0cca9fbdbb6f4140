import assert from "node:assert/strict";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import { ServingTable } from "../../../kernels/embedding/serving_table.ts";

const WIDTH = 100;
const BYTES_MAX = 1 << 24;
/** Every third id has no row. */
const ids = BigUint64Array.from({ length: 1000 }, (_, at) => BigInt(at + 1));
const stored = ids.filter((id) => id % 3n !== 0n);
const rows = Float32Array.from({ length: stored.length * WIDTH }, (_, at) => at + 1);
const [expected, expectedFound] = [new Float32Array(ids.length * WIDTH), new Uint8Array(1000)];
stored.forEach((id, at) => {
  expected.set(rows.subarray(at * WIDTH, (at + 1) * WIDTH), (Number(id) - 1) * WIDTH);
  expectedFound[Number(id) - 1] = 1;
});

Deno.test("a lookup of a serving table that is copied out in pieces has all rows and counts all absent ids", () => {
  const table = ServingTable.create({ width: WIDTH, precision: "fp32", bytesMax: BYTES_MAX });
  table.upsert(stored, rows);
  const [out, found] = [new Float32Array(expected.length).fill(9), new Uint8Array(1000).fill(9)];
  assert.equal(table.lookup(ids, out, found), ids.length - stored.length);
  assert.deepEqual(out, expected);
  assert.deepEqual(found, expectedFound);
  assert.equal(table.lookup(ids.slice(0, 0), out.slice(0, 0), found.slice(0, 0)), 0);
});

for (const missing of ["zeros", "initial"] as const) {
  Deno.test(`a long lookup of a training table has all rows, and ${missing} for absent ids`, () => {
    const table = EmbeddingTable.create({
      seed: 1,
      slices: [{
        name: "embeddings",
        dim: WIDTH,
        initializer: { kind: "zeros" },
        optimizer: { kind: "sgd", learningRate: 0.1 },
      }],
      slots: [],
      bytesMax: BYTES_MAX,
      atLimit: "reject",
    });
    table.assign(stored, rows, 0);
    const [out, found] = [new Float32Array(expected.length).fill(9), new Uint8Array(1000).fill(9)];
    table.lookup(ids, out, missing, found);
    assert.deepEqual(out, expected);
    assert.deepEqual(found, expectedFound);
    assert.equal(table.statistics().lookups, ids.length);
  });
}
