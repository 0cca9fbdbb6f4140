import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import type { FeatureIds } from "../../../kernels/embedding/options.ts";
import type { Precision, ServedWeights } from "../../../kernels/embedding/served_weights.ts";
import { ServingTable } from "../../../kernels/embedding/serving_table.ts";

const WIDTH = 17;

function filled(precision: "fp32" | "fp16" | "int8") {
  const table = ServingTable.create({ width: WIDTH, precision, bytesMax: 64 << 20 });
  const ids = BigUint64Array.from(
    { length: 3000 },
    (_, index) => BigInt(index) << 50n | BigInt(index),
  );
  const rows = Float32Array.from({ length: ids.length * WIDTH }, (_, index) => Math.sin(index));
  table.upsert(ids, rows);
  return { table, ids, rows };
}

for (
  const [precision, bound] of [["fp32", 0], ["fp16", 2 ** -11], ["int8", 1 / 254 + 1e-6]] as const
) {
  Deno.test(`${precision} rows come back within their error bound`, () => {
    const { table, ids, rows } = filled(precision);
    const out = new Float32Array(rows.length);
    const found = new Uint8Array(ids.length);
    table.lookup(ids, out, found);
    assert.ok(found.every((flag) => flag === 1));
    out.forEach((value, at) => assert.ok(Math.abs(value - rows[at]) <= bound));
  });
}

Deno.test("removed and unknown ids give zeros, and a table filled with nothing is empty and usable", () => {
  const { table, ids } = filled("fp16");
  assert.equal(table.remove(ids.slice(0, 10)), 10);
  assert.equal(table.remove(ids.slice(0, 10)), 0);
  const out = new Float32Array(11 * WIDTH).fill(9);
  const found = new Uint8Array(11);
  table.lookup(ids.slice(0, 11), out, found);
  assert.deepEqual([...found], [...new Array(10).fill(0), 1]);
  assert.ok(out.subarray(0, 10 * WIDTH).every((value) => value === 0));
  const { bytes } = table.statistics();
  table.beginFill();
  assert.equal(table.endFill(), ids.length - 10);
  assert.equal(table.statistics().rows, 0);
  table.upsert(ids, new Float32Array(ids.length * WIDTH));
  assert.deepEqual([table.statistics().rows, table.statistics().bytes], [3000, bytes]);
});

Deno.test("a fill serves the old rows until it ends, then only the rows that it wrote", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.nat(4_000), { maxLength: 400 }), { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      (pages, twice) => {
        const { table, ids } = filled("fp32");
        table.beginFill();
        if (twice) { // the first one broke off
          table.upsert(ids.slice(0, 7), new Float32Array(7 * WIDTH));
          table.beginFill();
        }
        const brought = new Map<bigint, number>();
        for (const [page, numbers] of pages.entries()) {
          // Some that were there, some that were not.
          const written = BigUint64Array.from(numbers, (n) => ids[n] ?? BigInt(n) << 20n);
          table.upsert(written, new Float32Array(written.length * WIDTH).fill(page + 1));
          for (const id of written) brought.set(id, page + 1);
          const found = new Uint8Array(ids.length);
          table.lookup(ids, new Float32Array(ids.length * WIDTH), found);
          assert.ok(found.every((flag) => flag === 1), "old rows are served");
        }
        const before = table.statistics().rows;
        assert.equal(table.endFill(), before - brought.size);
        const all = BigUint64Array.from([...ids, ...brought.keys()]);
        const rows = new Float32Array(all.length * WIDTH);
        const found = new Uint8Array(all.length);
        table.lookup(all, rows, found);
        all.forEach((id, at) => {
          assert.equal(found[at], brought.has(id) ? 1 : 0);
          assert.equal(rows[at * WIDTH], brought.get(id) ?? 0);
        });
      },
    ),
    { numRuns: 30 },
  );
});

/** The first weight of each id's row, undefined where it has none. */
function firstWeights(table: ServingTable, ids: BigUint64Array<ArrayBuffer>) {
  const rows = new Float32Array(ids.length * WIDTH);
  const found = new Uint8Array(ids.length);
  table.lookup(ids, rows, found);
  return Array.from(ids, (_, at) => found[at] === 1 ? rows[at * WIDTH] : undefined);
}

function rowsOf(ids: BigUint64Array, value: number): Float32Array {
  return new Float32Array(ids.length * WIDTH).fill(value);
}

const idRange = (first: number, count: number) =>
  BigUint64Array.from({ length: count }, (_, index) => BigInt(first + index));

Deno.test("a full table leaves new rows out, counts them, and goes on updating its rows", () => {
  const table = ServingTable.create({ width: WIDTH, precision: "fp32", bytesMax: 200_000 });
  const ids = idRange(0, 10_000);
  const leftOut = table.upsert(ids, rowsOf(ids, 1));
  const { rows, bytes } = table.statistics();
  assert.equal(rows + leftOut, ids.length);
  assert.ok(rows > 1000 && bytes <= 200_000);
  assert.equal(table.upsert(ids, rowsOf(ids, 2)), leftOut, "every existing row is written again");
  const weights = firstWeights(table, ids);
  assert.deepEqual(weights.filter((weight) => weight !== undefined), new Array(rows).fill(2));
});

Deno.test("rows left out come in when others are removed", () => {
  const table = ServingTable.create({ width: WIDTH, precision: "fp32", bytesMax: 200_000 });
  const ids = idRange(0, 10_000);
  table.upsert(ids, rowsOf(ids, 1));
  const before = firstWeights(table, ids);
  const served = ids.filter((_, at) => before[at] !== undefined);
  const missing = ids.filter((_, at) => before[at] === undefined).slice(0, 100);
  assert.equal(table.remove(served.slice(0, 500)), 500);
  assert.equal(table.upsert(missing, rowsOf(missing, 3)), 0);
  assert.deepEqual(firstWeights(table, missing), new Array(100).fill(3));
});

Deno.test("a fill at the limit prefers the rows it writes to the rows of the past", () => {
  const table = ServingTable.create({ width: WIDTH, precision: "fp32", bytesMax: 200_000 });
  const past = idRange(0, 10_000);
  table.upsert(past, rowsOf(past, 1));
  const room = table.statistics().rows;
  const present = idRange(1_000_000, Math.floor(room * 0.9));
  table.beginFill();
  let leftOut = 0;
  for (let start = 0; start < present.length; start += 500) {
    const page = present.slice(start, start + 500);
    leftOut += table.upsert(page, rowsOf(page, 2));
  }
  table.endFill();
  assert.ok(leftOut < present.length / 100, `${leftOut} of ${present.length}`);
  const weights = firstWeights(table, present);
  assert.equal(weights.filter((weight) => weight === 2).length, present.length - leftOut);
  assert.equal(table.statistics().rows, present.length - leftOut);
});

Deno.test("rows of every width are returned to the bit, and no other bytes are written", () => {
  for (const width of [...Array.from({ length: 67 }, (_, at) => at + 1), 128, 200]) {
    const table = ServingTable.create({ width, precision: "fp32", bytesMax: 16 << 20 });
    const ids = BigUint64Array.from({ length: 150 }, (_, index) => BigInt(index) * 77n);
    const rows = Float32Array.from({ length: ids.length * width }, (_, index) => Math.sin(index));
    table.upsert(ids, rows);
    const [out, found] = [new Float32Array(rows.length), new Uint8Array(ids.length)];
    table.lookup(ids, out, found);
    assert.deepEqual(out, rows);
    table.lookup(ids.slice(0, 1), out.subarray(width, 2 * width), found.subarray(0, 1));
    assert.deepEqual(out.subarray(0, width), rows.subarray(0, width));
    assert.deepEqual(out.subarray(width, 2 * width), rows.subarray(0, width));
    assert.deepEqual(out.subarray(2 * width), rows.subarray(2 * width));
  }
});

Deno.test("popular rows are found while others are inserted and removed", () => {
  const table = ServingTable.create({ width: 1, precision: "fp32", bytesMax: 256 << 20 });
  const idOf = (number: number) => BigInt(number) * 0x9E37_79B9_7F4A_7C15n & 0xffff_ffff_ffff_ffffn;
  const rows = 70_000;
  const ids = BigUint64Array.from({ length: rows }, (_, number) => idOf(number));
  table.upsert(ids, Float32Array.from({ length: rows }, (_, number) => number));
  const removed = new Set<number>();
  for (let round = 0; round < 60; round++) {
    const numbers = Array.from(
      { length: 700 },
      (_, at) => at % 7 === 0 ? (at * 104_729 + round * 7919) % rows : (at * at + round) % 900,
    );
    const looked = BigUint64Array.from(numbers, (number) => ids[number]);
    const [out, found] = [new Float32Array(numbers.length), new Uint8Array(numbers.length)];
    table.lookup(looked, out, found);
    numbers.forEach((number, at) => {
      assert.equal(found[at], removed.has(number) ? 0 : 1);
      assert.equal(out[at], removed.has(number) ? 0 : number);
    });
    for (const number of numbers.slice(0, 20)) {
      if (removed.delete(number)) {
        table.upsert(ids.slice(number, number + 1), Float32Array.of(number));
      } else if (table.remove(ids.slice(number, number + 1)) === 1) removed.add(number);
    }
  }
});

const slice = (dim: number) => ({
  name: "embeddings",
  dim,
  initializer: { kind: "normal", mean: 0, stddev: 1 },
  optimizer: { kind: "sgd", learningRate: 0.1 },
} as const);

/** A training table that gives rows in a precision, with changes of 40 rows and one removed row. */
function trained(width: number, servedPrecision: Precision | undefined) {
  const table = EmbeddingTable.create({
    seed: 7,
    slices: [slice(width)],
    slots: [],
    bytesMax: 1 << 24,
    atLimit: "reject",
    ...(servedPrecision && { servedPrecision }),
  });
  table.deltas.begin(0);
  const ids = BigUint64Array.from({ length: 40 }, (_, i) => BigInt(i + 1));
  const gradients = Float32Array.from({ length: 40 * width }, (_, i) => Math.cos(i));
  table.applyGradients(ids, gradients, new Uint32Array(40).fill(1), 0);
  table.remove(BigUint64Array.of(5n));
  const delta = table.deltas.take(0, 0, 100);
  assert.ok(delta !== undefined && delta !== "overflowed");
  return { table, delta, page: table.reader.rows(0, 100) };
}

function served(width: number, precision: Precision, ids: FeatureIds, rows: ServedWeights) {
  const table = ServingTable.create({ width, precision, bytesMax: 1 << 24 });
  assert.equal(table.upsert(ids, rows), 0);
  const out = new Float32Array(ids.length * width);
  assert.equal(table.lookup(ids, out, new Uint8Array(ids.length)), 0);
  return out;
}

for (const [precision, bytesOf] of [["fp16", 2], ["int8", 1]] as const) {
  Deno.test(`${precision} deltas and pages serve the same bits as exact ones, at any width`, () => {
    const crc = BatchKernel.create();
    for (const width of [1, 2, 7, 16, 17, 63, 64, 65, 130]) {
      const exact = trained(width, undefined);
      const packed = trained(width, precision);
      for (const part of ["delta", "page"] as const) {
        const { ids, rows } = packed[part];
        assert.deepEqual(ids, exact[part].ids);
        assert.deepEqual(
          served(width, precision, ids, rows),
          served(width, precision, ids, exact[part].rows),
          `${part} of width ${width}`,
        );
        assert.equal(rows.byteLength, ids.length * (bytesOf * width + (bytesOf === 1 ? 4 : 0)));
      }
      const { ids, rows, tombstones, checksum } = packed.delta;
      assert.deepEqual([...tombstones], [5n]);
      assert.equal(crc.crc32c(ids, rows, tombstones), checksum);
    }
  });
}

Deno.test("packed rows of another precision or of a wrong length are refused", () => {
  const { ids, rows } = trained(4, "int8").delta;
  assert.throws(() => served(4, "fp16", ids, rows), /write int8 rows: a code or value is out of/);
  assert.throws(
    () => served(5, "int8", ids, rows),
    /Cannot write 39 int8 rows of width 5 from 312 elements/,
  );
});
