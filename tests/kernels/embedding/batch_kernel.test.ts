/** The batch primitives against plain TypeScript, bit for bit where floats are concerned. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { COMBINER_CODES } from "../../../kernels/embedding/options.ts";

const kernel = BatchKernel.create();

const ids = fc.array(
  fc.oneof(
    fc.bigInt({ min: 0n, max: 20n }),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc.constantFrom(0n, 1n << 63n, (1n << 64n) - 1n),
  ),
  { maxLength: 300 },
).map((list) => BigUint64Array.from(list));

Deno.test("unique ids are the set of the batch's ids, with their counts and every id's position", () => {
  fc.assert(fc.property(ids, fc.integer({ min: 1, max: 70 }), (batch, shards) => {
    const { uniqueIds, shardStarts, inverse, counts } = kernel.unique(batch, shards);
    assert.equal(shardStarts.length, shards + 1);
    assert.equal(shardStarts[0], 0);
    assert.equal(shardStarts[shards], uniqueIds.length);
    assert.deepEqual(new Set(uniqueIds), new Set(batch));
    assert.equal(uniqueIds.length, new Set(batch).size);
    const expected = new Uint32Array(uniqueIds.length);
    batch.forEach((id, index) => {
      assert.equal(uniqueIds[inverse[index]], id);
      expected[inverse[index]] += 1;
    });
    assert.deepEqual(counts, expected);
  }));
});

Deno.test("an id's shard depends on the id alone", () => {
  fc.assert(fc.property(ids, ids, fc.integer({ min: 1, max: 64 }), (first, second, shards) => {
    const shardById = new Map<bigint, number>();
    for (const batch of [first, second]) {
      const { uniqueIds, shardStarts } = kernel.unique(batch, shards);
      for (let shard = 0; shard < shards; shard++) {
        for (const id of uniqueIds.subarray(shardStarts[shard], shardStarts[shard + 1])) {
          assert.equal(shardById.get(id) ?? shard, shard);
          shardById.set(id, shard);
        }
      }
    }
  }));
});

interface Batch {
  readonly unique: number;
  readonly width: number;
  readonly column: number;
  readonly dim: number;
  readonly slots: number;
  readonly segments: number;
  readonly inverse: Uint32Array;
  readonly offsets: Uint32Array;
  readonly combiners: Uint8Array;
  readonly floats: (length: number) => Float32Array;
}

const batches: fc.Arbitrary<Batch> = fc.record({
  unique: fc.integer({ min: 1, max: 12 }),
  before: fc.integer({ min: 0, max: 3 }),
  dim: fc.integer({ min: 1, max: 21 }),
  after: fc.integer({ min: 0, max: 3 }),
  rows: fc.integer({ min: 0, max: 6 }),
  combiners: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }),
  lengths: fc.array(fc.nat(5), { minLength: 24, maxLength: 24 }),
  seed: fc.nat(1 << 20),
}).map(({ unique, before, dim, after, rows, combiners, lengths, seed }) => {
  const segments = rows * combiners.length;
  const offsets = new Uint32Array(segments + 1);
  for (let k = 0; k < segments; k++) offsets[k + 1] = offsets[k] + lengths[k];
  let state = seed;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
  return {
    unique,
    width: before + dim + after,
    column: before,
    dim,
    slots: combiners.length,
    segments,
    inverse: Uint32Array.from({ length: offsets[segments] }, () => next() % unique),
    offsets,
    combiners: Uint8Array.from(combiners),
    floats: (length) => Float32Array.from({ length }, () => next() / 2 ** 31 - 1),
  };
});

const divisors = [() => 1, (n: number) => n, (n: number) => Math.fround(Math.sqrt(n)), () => 1];

/** Calls `visit` for each (segment, id position, number of pooled ids) that counts. */
function walk(batch: Batch, visit: (k: number, position: number, n: number, code: number) => void) {
  for (let k = 0; k < batch.segments; k++) {
    const code = batch.combiners[k % batch.slots];
    const all = batch.inverse.subarray(batch.offsets[k], batch.offsets[k + 1]);
    const pooled = code === COMBINER_CODES.first ? all.subarray(0, 1) : all;
    for (const position of pooled) visit(k, position, pooled.length, code);
  }
}

Deno.test("pooling equals plain sums, means, root means and firsts to the bit", () => {
  fc.assert(fc.property(batches, (batch) => {
    const { width, column, dim } = batch;
    const rows = batch.floats(batch.unique * width);
    const expected = new Float32Array(batch.segments * dim);
    const seen = new Uint32Array(batch.segments);
    walk(batch, (k, position, n, code) => {
      const last = ++seen[k] === n;
      for (let d = 0; d < dim; d++) {
        const value = rows[position * width + column + d];
        expected[k * dim + d] = seen[k] === 1 ? value : expected[k * dim + d] + value;
        if (last && n > 1) expected[k * dim + d] /= divisors[code](n);
      }
    });
    const out = new Float32Array(expected.length).fill(NaN);
    const { inverse, offsets, combiners } = batch;
    kernel.pool(rows, width, column, dim, inverse, offsets, combiners, out);
    assert.deepEqual(out, expected);
  }));
});

Deno.test("the pooled gradient adds each id's share to its row and leaves other columns alone", () => {
  fc.assert(fc.property(batches, (batch) => {
    const { width, column, dim } = batch;
    const gradients = batch.floats(batch.segments * dim);
    const start = batch.floats(batch.unique * width);
    const expected = start.slice();
    walk(batch, (k, position, n, code) => {
      const share = Math.fround(1 / divisors[code](n));
      for (let d = 0; d < dim; d++) {
        expected[position * width + column + d] += Math.fround(gradients[k * dim + d] * share);
      }
    });
    const out = start.slice();
    const { inverse, offsets, combiners } = batch;
    kernel.poolGradient(gradients, width, column, dim, inverse, offsets, combiners, out);
    assert.deepEqual(out, expected);
  }));
});

Deno.test("pooling and its gradient are adjoint: <pool(x), y> = <x, poolGradient(y)>", () => {
  fc.assert(fc.property(batches, (batch) => {
    const { width, column, dim, inverse, offsets, combiners } = batch;
    const rows = batch.floats(batch.unique * width);
    const gradients = batch.floats(batch.segments * dim);
    const pooled = new Float32Array(gradients.length);
    kernel.pool(rows, width, column, dim, inverse, offsets, combiners, pooled);
    const back = new Float32Array(rows.length);
    kernel.poolGradient(gradients, width, column, dim, inverse, offsets, combiners, back);
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);
    assert.ok(Math.abs(dot(pooled, gradients) - dot(rows, back)) < 1e-3);
  }));
});

Deno.test("rows of equal ids are summed in their order, to the bit", () => {
  fc.assert(fc.property(batches, ({ width, inverse, unique, floats }) => {
    const values = floats(inverse.length * width);
    const expected = new Float32Array(unique * width);
    inverse.forEach((position, index) => {
      for (let d = 0; d < width; d++) expected[position * width + d] += values[index * width + d];
    });
    const out = new Float32Array(unique * width).fill(NaN);
    kernel.sumByInverse(values, width, inverse, unique, out);
    assert.deepEqual(out, expected);
  }));
});

Deno.test("malformed batches are refused in words, and the kernel lives on", () => {
  const pool = (inverse: number[], offsets: number[], combiners: number[], outLength = 2) =>
    kernel.pool(
      new Float32Array(4),
      2,
      0,
      2,
      Uint32Array.from(inverse),
      Uint32Array.from(offsets),
      Uint8Array.from(combiners),
      new Float32Array(outLength),
    );
  assert.throws(() => pool([2], [0, 1], [0]), /position points past the unique rows/);
  assert.throws(() => pool([0], [0, 2], [0]), /offsets must ascend/);
  assert.throws(() => pool([0], [1, 0], [0]), /offsets must ascend/);
  assert.throws(() => pool([0], [0, 1], [9]), /combiner codes/);
  assert.throws(() => pool([0], [0, 1], [0], 3), /do not fit 1 segments of dim 2/);
  assert.throws(() => kernel.unique(new BigUint64Array(1), 0), /length is out of range/);
  pool([1], [0, 1], [0]);
});

Deno.test("CRC-32C of a text cut anywhere is the published one", () => {
  const bytes = new TextEncoder().encode("123456789");
  for (let cut = 0; cut <= bytes.length; cut++) {
    assert.equal(kernel.crc32c(bytes.subarray(0, cut), bytes.slice(cut).buffer), 0xE3069283);
  }
  const long = new Uint8Array(3_000_000).map((_, index) => index * 7);
  assert.equal(
    kernel.crc32c(long),
    kernel.crc32c(long.subarray(0, 1_048_577), long.subarray(1_048_577)),
  );
});
