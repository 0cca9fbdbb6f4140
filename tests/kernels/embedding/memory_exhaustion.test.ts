/**
 * Goal: an export that gets no memory from the engine returns a status, and table and batch buffers
 * stay usable; a trap would lose the instance with all rows. Method: memories with a cap.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { instantiateKernel } from "../../../kernels/embedding/kernel_module.ts";
import type { TableOptions } from "../../../kernels/embedding/options.ts";
import { encodeTableOptions } from "../../../kernels/embedding/table_encoding.ts";
import type { TableExports } from "../../../kernels/embedding/table_exports.ts";
import type { BatchExports } from "../../../kernels/embedding/batch_exports.ts";
import { cappedModule, instantiateCapped } from "./capped_kernel.ts";

type Kernel = TableExports & BatchExports;

const NO_MEMORY = -4;
const BEGIN_ANEW = 2;
const WIDTH = 16;
const PAGES_OF_16_MIB = 256;

const options: TableOptions = {
  seed: 1,
  slices: [{
    name: "embeddings",
    dim: WIDTH,
    initializer: { kind: "zeros" },
    optimizer: { kind: "adagrad", learningRate: 0.1, initialAccumulator: 0.1 },
  }],
  slots: [{ number: 1, admission: { kind: "threshold", threshold: 2 }, expirySeconds: 100 }],
  bytesMax: 2 ** 28,
  atLimit: "evictLeastRecentlyUsed",
};

function createTable(kernel: Kernel): number {
  const words = encodeTableOptions(options);
  const address = kernel.table_words(words.length) >>> 0;
  if (address === 0) return NO_MEMORY;
  new Float64Array(kernel.memory.buffer, address, words.length).set(words);
  return kernel.table_create(words.length);
}

/**
 * Gives every id from `first` on a gradient; the status, or `NO_MEMORY` where a buffer is refused.
 */
function learn(kernel: Kernel, slot: bigint, first: number, count: number): number {
  const reserve = () => [
    kernel.table_ids(count) >>> 0,
    kernel.table_floats(count * WIDTH) >>> 0,
    kernel.table_counts(count) >>> 0,
  ];
  if (reserve().includes(0)) return NO_MEMORY;
  const [ids, floats, counts] = reserve();
  const { buffer } = kernel.memory;
  new BigUint64Array(buffer, ids, count).forEach((_, at, all) => {
    all[at] = slot << 48n | BigInt(first + at);
  });
  new Float32Array(buffer, floats, count * WIDTH).fill(1);
  new Uint32Array(buffer, counts, count).fill(1);
  return kernel.table_apply_gradients(count, 1);
}

function words(kernel: Kernel, length: number): number[] {
  const address = kernel.table_words(length) >>> 0;
  return [...new Float64Array(kernel.memory.buffer, address, length)];
}

function statistics(kernel: Kernel): number[] {
  return words(kernel, kernel.table_statistics(1));
}

/**
 * A table that has learned until the engine refused memory, long before its own limit, after
 * `counted` ids that it did not admit; buffers hold a thousand ids.
 */
function fullTable(counted = 0): Kernel {
  const kernel = instantiateCapped<Kernel>(cappedModule(PAGES_OF_16_MIB));
  assert.equal(createTable(kernel), WIDTH);
  for (let first = 0; first < counted; first += 1000) {
    assert.equal(learn(kernel, 1n, first, 1000), 0);
  }
  for (let batch = 0; batch < 200; batch++) {
    assert.equal(learn(kernel, 2n, batch * 1000, 1000), 0);
  }
  const [rows] = statistics(kernel);
  assert.ok(rows > 50_000 && rows < 200_000, `${rows} rows`);
  return kernel;
}

Deno.test("a table that gets no more memory from the engine keeps and updates its rows", () => {
  const kernel = fullTable();
  const [rows, , , , first, other] = statistics(kernel);
  assert.equal(first + other, rows);
  assert.equal(learn(kernel, 2n, 0, 1000), 0);
  assert.equal(statistics(kernel)[0], rows);
});

/** Changes every row, a page at a time: each learns from its own weights. */
function changeEveryRow(kernel: Kernel): void {
  for (let cursor = 0, done = 0; done === 0;) {
    assert.equal(kernel.table_export_rows(cursor, 500), 0);
    const [rows, next, isLast] = words(kernel, 3);
    assert.equal(kernel.table_apply_gradients(rows, 1), 0);
    [cursor, done] = [next, isLast];
  }
}

Deno.test("a delta, page or snapshot without memory is refused, and a smaller one is given", () => {
  const kernel = fullTable();
  assert.equal(kernel.table_begin_deltas(0), 0);
  changeEveryRow(kernel);
  assert.equal(kernel.table_take_delta(0, 0, 65_536), NO_MEMORY);
  assert.equal(kernel.table_export_rows(0, 65_536), NO_MEMORY);
  assert.equal(kernel.table_snapshot_begin(0), 0);
  assert.equal(kernel.table_snapshot_next(65_536), NO_MEMORY);
  const [rows] = statistics(kernel);
  let saved = 0;
  for (let more = 1; more > 0; saved += more) more = kernel.table_snapshot_next(64);
  assert.equal(saved, rows);
  // Refused changes are not lost: small deltas carry every row.
  let told = 0;
  for (let sequence = 0; kernel.table_take_delta(0, sequence, 64) === 1; sequence++) {
    told += words(kernel, 2)[1];
  }
  assert.equal(told, rows);
});

Deno.test("saved counters without memory are refused, and fewer are given", () => {
  const kernel = fullTable(40_000);
  assert.equal(kernel.table_snapshot_begin(0), 0);
  assert.equal(kernel.table_snapshot_next(65_536), NO_MEMORY);
  let [lines, rows] = [0, 0];
  for (let more = 1; more > 0;) {
    more = kernel.table_snapshot_next(64);
    if (words(kernel, 3)[2] === 1) lines += more;
    else rows += more;
  }
  assert.ok(lines > 10_000, `${lines} lines`);
  assert.equal(rows, statistics(kernel)[0]);
});

Deno.test("a consumer whose tombstones find no memory begins anew, and the table goes on", () => {
  const kernel = fullTable();
  assert.equal(kernel.table_begin_deltas(0), 0);
  const [rows] = statistics(kernel);
  for (let batch = 200; batch < 400; batch++) {
    assert.equal(learn(kernel, 2n, batch * 1000, 1000), 0);
  }
  const { 0: rowsNow, 12: rejected } = statistics(kernel);
  // More, where the queue that was given up left room for them.
  assert.ok(rowsNow >= rows, `${rowsNow} of ${rows} rows`);
  assert.equal(rejected, 0);
  assert.equal(kernel.table_take_delta(0, 0, 64), BEGIN_ANEW);
  assert.equal(kernel.table_begin_deltas(0), 0);
  assert.equal(learn(kernel, 2n, 399_000, 1000), 0);
  assert.equal(kernel.table_take_delta(0, 0, 64), 1);
});

Deno.test("occurrences of ids without a row are forgotten if there is no memory to count them", () => {
  const kernel = fullTable();
  for (let occurrence = 0; occurrence < 4; occurrence++) {
    assert.equal(learn(kernel, 1n, 0, 1000), 0);
  }
  const { 10: filtered } = statistics(kernel);
  assert.equal(filtered, 4000);
});

Deno.test("a batch of distinct ids without memory is refused, and a smaller one is grouped", () => {
  const kernel = instantiateCapped<Kernel>(cappedModule(PAGES_OF_16_MIB));
  assert.notEqual(kernel.batch_ids(1 << 20), 0);
  assert.equal(kernel.batch_unique(1 << 20, 1), NO_MEMORY);
  assert.equal(kernel.batch_unique(1000, 1000), 1);
  const classes = kernel.batch_bytes(1 << 15) >>> 0;
  new Uint8Array(kernel.memory.buffer, classes, 1 << 15)[7] = 255;
  assert.equal(kernel.batch_classes(), 256);
  assert.equal(kernel.batch_unique(1000, 1 << 20), NO_MEMORY);
  assert.equal(kernel.batch_unique(1000, 4), 1);
});

Deno.test("a table made repeatedly in one instance takes no more memory than once", () => {
  const kernel = instantiateCapped<Kernel>(cappedModule(PAGES_OF_16_MIB));
  const bytes = Array.from({ length: 300 }, (_, round) => {
    assert.equal(createTable(kernel), WIDTH);
    learn(kernel, 2n, 0, 1000);
    assert.equal(kernel.serving_create(WIDTH, round % 3, 2 ** 30), 0);
    return kernel.memory.buffer.byteLength;
  });
  assert.equal(bytes.at(-1), bytes[10]);
});

Deno.test("no table takes more than three of the four gigabytes it can address", () => {
  const kernel = instantiateKernel<Kernel>();
  const encoded = encodeTableOptions({ ...options, bytesMax: 3 * 2 ** 30 + 1 });
  const address = kernel.table_words(encoded.length) >>> 0;
  new Float64Array(kernel.memory.buffer, address, encoded.length).set(encoded);
  assert.equal(kernel.table_create(encoded.length), -1000);
});

/** Calls on a table and batches, with lengths that make memory short soon. */
const call = fc.oneof(
  fc.record({ kind: fc.constant("buffer" as const), at: fc.nat(9), length: fc.nat(1 << 19) }),
  fc.record({ kind: fc.constant("learn" as const), slot: fc.nat(2), first: fc.nat(1 << 18) }),
  fc.record({ kind: fc.constant("create" as const), serving: fc.boolean() }),
  fc.record({
    kind: fc.constant("call" as const),
    at: fc.nat(1000),
    args: fc.array(fc.nat(60_000)),
  }),
);

Deno.test("no sequence of calls traps while memory runs out, and statistics stay consistent", () => {
  const modules = [2, 8, 24, 64, 160].map(cappedModule);
  const names = Object.entries(instantiateKernel())
    .flatMap(([name, value]) => typeof value === "function" ? [name] : []);
  const buffers = ["ids", "floats", "counts", "words", "bytes"].map((name) => `table_${name}`)
    .concat(["ids", "bytes", "rows", "plan", "offsets"].map((name) => `batch_${name}`));
  fc.assert(
    fc.property(fc.nat(4), fc.array(call, { maxLength: 60 }), (size, calls) => {
      const kernel = instantiateCapped<Kernel>(modules[size]);
      const exports = kernel as unknown as Record<string, (...args: number[]) => number>;
      for (const step of calls) {
        if (step.kind === "buffer") exports[buffers[step.at]](step.length);
        else if (step.kind === "learn") learn(kernel, BigInt(step.slot), step.first, 1000);
        else if (step.kind === "call") exports[names[step.at % names.length]](...step.args);
        else if (step.serving) kernel.serving_create(WIDTH, 0, 2 ** 30);
        else createTable(kernel);
      }
      if (kernel.table_statistics(1) < 0) return;
      const [rows, slots, , , first, other] = statistics(kernel);
      assert.ok(rows <= slots && first + other === rows);
    }),
    { numRuns: 1_000 },
  );
});
