/**
 * Goal: a table that evicts the least frequently used keeps its update counters over a restart.
 * Method: compare each eviction of a restored table with that of the original.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import type { TableOptions } from "../../../kernels/embedding/options.ts";

const DIM = 4096;

/**
 * Room for fewer rows than are compared to find a victim, so that the victim is the least used of
 * all.
 */
const options: TableOptions = {
  seed: 1,
  slices: [{
    name: "embeddings",
    dim: DIM,
    initializer: { kind: "zeros" },
    optimizer: { kind: "sgd", learningRate: 1 },
  }],
  slots: [],
  bytesMax: 170_000,
  atLimit: "evictLeastFrequentlyUsed",
};

/** One update each, a second apart: no two rows are of the same age. */
function use(table: EmbeddingTable, ids: readonly number[]) {
  ids.forEach((id) => {
    const seconds = table.statistics().clockSeconds + 1;
    table.applyGradients(
      BigUint64Array.of(BigInt(id)),
      new Float32Array(DIM).fill(1),
      Uint32Array.of(1),
      seconds,
    );
  });
}

function restored(table: EmbeddingTable, rowsMax: number): EmbeddingTable {
  const copy = EmbeddingTable.create(options);
  const restore = copy.restore(table.snapshots.begin(), { shard: 0, shards: 1 });
  for (let chunk; (chunk = table.snapshots.nextChunk(rowsMax)) !== undefined;) restore.take(chunk);
  return copy;
}

function idsIn(table: EmbeddingTable): bigint[] {
  return [...table.reader.rows(0, 100).ids].sort();
}

Deno.test("a restored table evicts the same rows as the original, one by one", () => {
  const id = fc.nat(15);
  fc.assert(
    fc.property(
      fc.array(id, { minLength: 10, maxLength: 60 }),
      fc.array(fc.oneof(id, fc.integer({ min: 16, max: 40 })), { minLength: 5, maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      (before, after, rowsMax) => {
        const table = EmbeddingTable.create(options);
        use(table, before);
        const copy = restored(table, rowsMax);
        assert.deepEqual(idsIn(copy), idsIn(table));
        for (const next of after) {
          use(table, [next]);
          use(copy, [next]);
          assert.deepEqual(idsIn(copy), idsIn(table));
        }
      },
    ),
    { numRuns: 30, seed: 7 },
  );
});

Deno.test("the tables of these sequences are full, and rows in frequent use stay after a restart", () => {
  const table = EmbeddingTable.create(options);
  use(table, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.ok(table.statistics().evicted > 0 && table.statistics().rows <= 16);
  const copy = restored(table, 100);
  use(copy, [20, 21, 22]);
  assert.equal(copy.statistics().evicted, 3);
  assert.ok(idsIn(copy).includes(1n));
});
