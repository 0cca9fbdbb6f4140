/** Snapshots as of their start while the table changes, restored into other shards and schemas. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import type { FeatureIds, SliceOptions, TableOptions } from "../../../kernels/embedding/options.ts";
import type { SnapshotChunk } from "../../../kernels/embedding/table_snapshot.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const slice = (name: string, dim: number, overrides: Partial<SliceOptions> = {}) => ({
  name,
  dim,
  initializer: { kind: "uniform", low: -1, high: 1 } as const,
  optimizer: { kind: "adagrad", learningRate: 0.1, initialAccumulator: 0.1 } as const,
  ...overrides,
});

const options = (slices: readonly SliceOptions[]): TableOptions => ({
  seed: 3,
  slices,
  slots: [],
  bytesMax: 256 << 20,
  atLimit: "reject",
});

function filled(rows: number, slices = [slice("bias", 1), slice("embeddings", 4)]) {
  const table = EmbeddingTable.create(options(slices));
  const ids = BigUint64Array.from(
    { length: rows },
    (_, index) => (BigInt(index % 4) << 48n) | BigInt(index),
  );
  step(table, ids, 1);
  return { table, ids };
}

function step(table: EmbeddingTable, ids: FeatureIds, seconds: number) {
  const gradients = Float32Array.from(
    { length: ids.length * table.width },
    (_, at) => Math.sin(at + seconds),
  );
  table.applyGradients(ids, gradients, new Uint32Array(ids.length).fill(1), seconds);
}

function rowsOf(table: EmbeddingTable, ids: FeatureIds) {
  const rows = new Float32Array(ids.length * table.width);
  const found = new Uint8Array(ids.length);
  table.lookup(ids, rows, "zeros", found);
  return { rows, found };
}

function chunks(
  table: EmbeddingTable,
  rowsMax: number,
  between: (chunk: number) => void = () => {},
) {
  const header = table.snapshots.begin();
  const taken: SnapshotChunk[] = [];
  for (let chunk; (chunk = table.snapshots.nextChunk(rowsMax)) !== undefined;) {
    taken.push(chunk);
    between(taken.length);
  }
  return { header, taken };
}

Deno.test("a snapshot is the table at its start, while rows are changed, inserted and removed", () => {
  const { table, ids } = filled(60_000);
  const before = rowsOf(table, ids);
  const { header, taken } = chunks(table, 1000, (chunk) => {
    step(table, ids.slice(chunk * 700, chunk * 700 + 5000), 2 + chunk);
    step(
      table,
      BigUint64Array.from(
        { length: 3000 },
        (_, at) => BigInt(chunk * 10_000 + at) << 16n | 1n << 62n,
      ),
      9,
    );
  });
  assert.equal(taken.reduce((sum, chunk) => sum + chunk.rows, 0), ids.length);
  const copy = EmbeddingTable.create(table.options);
  const restore = copy.restore(header, { shard: 0, shards: 1 });
  taken.forEach((chunk) => restore.take(chunk));
  assert.equal(restore.report.rows, ids.length);
  assert.deepEqual(rowsOf(copy, ids), before);
  assert.equal(copy.statistics().rows, ids.length);
});

Deno.test("a restored table trains on exactly as the original", () => {
  const { table, ids } = filled(5000);
  const { header, taken } = chunks(table, 900);
  const copy = EmbeddingTable.create(table.options);
  const restore = copy.restore(header, { shard: 0, shards: 1, counters: true });
  taken.forEach((chunk) => restore.take(chunk));
  for (const each of [table, copy]) step(each, ids, 5);
  assert.deepEqual(rowsOf(copy, ids), rowsOf(table, ids));
});

Deno.test("two shards become five, with every row on the shard that the batch kernel computes", () => {
  const { table, ids } = filled(5000);
  const { header, taken } = chunks(table, 999);
  const { uniqueIds, groupStarts } = BatchKernel.create().unique(ids, 5);
  for (let shard = 0; shard < 5; shard++) {
    const copy = EmbeddingTable.create(table.options);
    const restore = copy.restore(header, { shard, shards: 5 });
    taken.forEach((chunk) => restore.take(chunk));
    const own = uniqueIds.slice(groupStarts[shard], groupStarts[shard + 1]);
    assert.deepEqual(rowsOf(copy, own), rowsOf(table, own));
    assert.equal(copy.statistics().rows, own.length);
    assert.equal(restore.report.elsewhere, ids.length - own.length);
  }
});

Deno.test("a changed schema keeps the shared slices and reports the others", () => {
  const { table, ids } = filled(400, [
    slice("bias", 1),
    slice("embeddings", 4),
    slice("wide", 3),
    slice("gone", 2),
  ]);
  const { header, taken } = chunks(table, 100);
  const copy = EmbeddingTable.create(options([
    slice("fresh", 2, { initializer: { kind: "constant", value: 9 } }),
    slice("embeddings", 4),
    slice("wide", 5, { initializer: { kind: "zeros" } }),
    slice("bias", 1, { optimizer: { kind: "sgd", learningRate: 0.1 } }),
  ]));
  const restore = copy.restore(header, { shard: 0, shards: 1, slots: [0, 2, 3] });
  taken.forEach((chunk) => restore.take(chunk));
  assert.deepEqual(restore.report, {
    restored: ["embeddings", "bias"],
    added: ["fresh"],
    resized: ["wide"],
    removed: ["gone"],
    stateReset: ["bias"],
    countersComplete: true,
    rows: 300,
    elsewhere: 0,
    dropped: 100,
    rejected: 0,
    rowsRemoved: 0,
  });
  const old = rowsOf(table, ids);
  const now = rowsOf(copy, ids);
  ids.forEach((id, at) => {
    const kept = (id >> 48n) !== 1n;
    assert.equal(now.found[at], Number(kept));
    const [bias, ...rest] = old.rows.subarray(at * 10, at * 10 + 5);
    const expected = kept ? [9, 9, ...rest, 0, 0, 0, 0, 0, bias] : new Array(12).fill(0);
    assert.deepEqual([...now.rows.subarray(at * 12, at * 12 + 12)], expected);
  });
});

Deno.test("a damaged chunk is refused as a whole, and so is a snapshot that was not begun", () => {
  const { table } = filled(100);
  const { header, taken: [chunk] } = chunks(table, 1000);
  chunk.bytes[50] ^= 1;
  const copy = EmbeddingTable.create(table.options);
  assert.throws(() => copy.restore(header, { shard: 0, shards: 1 }).take(chunk), /checksum/);
  assert.equal(copy.statistics().rows, 0);
  assert.throws(() => table.snapshots.nextChunk(10), /no snapshot is under way/);
});

Deno.test("a flipped byte, a cut or a wrong count in any chunk is refused, and no row is restored", () => {
  const slots = [{ number: 1, admission: { kind: "threshold", threshold: 3 } as const }];
  const table = EmbeddingTable.create({ ...options([slice("embeddings", 4)]), slots });
  step(
    table,
    BigUint64Array.from({ length: 400 }, (_, at) => BigInt(at % 2) << 48n | BigInt(at)),
    1,
  );
  const { header, taken } = chunks(table, 50);
  const damage = fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat(7) }),
    fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
    fc.record({ kind: fc.constant("count" as const), by: fc.constantFrom(-1, 1, 0.5, NaN) }),
    fc.record({ kind: fc.constant("checksum" as const), bit: fc.nat(31) }),
  );
  fc.assert(fc.property(fc.nat(taken.length - 1), damage, (number, damage) => {
    const chunk: Mutable<SnapshotChunk> = {
      ...taken[number],
      bytes: taken[number].bytes.slice(),
    };
    if (damage.kind === "flip") chunk.bytes[damage.at % chunk.bytes.length] ^= 1 << damage.bit;
    if (damage.kind === "cut") chunk.bytes = chunk.bytes.slice(0, damage.at % chunk.bytes.length);
    if (damage.kind === "count" && chunk.holds === "counters") return;
    if (damage.kind === "count") chunk.rows += damage.by;
    if (damage.kind === "checksum") chunk.checksum = (chunk.checksum ^ 1 << damage.bit) >>> 0;
    const copy = EmbeddingTable.create(table.options);
    const restore = copy.restore(header, { shard: 0, shards: 1, counters: true });
    assert.throws(() => restore.take(chunk), { name: "RangeError" });
    assert.equal(copy.statistics().rows, 0);
    restore.take(taken[number]);
    assert.equal(restore.report.rows, taken[number].rows, "the undamaged chunk is taken after it");
  }));
});

Deno.test("a header with numbers that no table writes is refused, or restores a usable table", () => {
  const { table, ids } = filled(300);
  const { header, taken } = chunks(table, 1000);
  const odd = fc.constantFrom(-1, 0, 0.5, 7, 2 ** 31, 2 ** 53, 1e300, NaN, Infinity);
  const path = fc.constantFrom(
    "rows",
    "clockSeconds",
    "updates",
    "newestGeneration",
    "floats",
    "column",
  );
  fc.assert(fc.property(path, odd, (name, value) => {
    const damaged = structuredClone(header) as unknown as Record<string, number> & {
      schema: { floats: number; slices: { column: number }[] };
    };
    if (name === "floats") damaged.schema.floats = value;
    else if (name === "column") damaged.schema.slices[1].column = value;
    else damaged[name] = value;
    const copy = EmbeddingTable.create(table.options);
    try {
      const restore = copy.restore(damaged as unknown as typeof header, { shard: 0, shards: 1 });
      for (const chunk of taken) restore.take(chunk);
    } catch (error) {
      assert.equal((error as Error).name, "RangeError");
    }
    step(copy, ids, 2);
    assert.equal(copy.statistics().rows, ids.length);
    assert.ok(rowsOf(copy, ids).found.every((found) => found === 1));
  }));
});

for (const atLimit of ["reject", "evictLeastRecentlyUsed"] as const) {
  Deno.test(`a table at its memory limit is written while it learns, ${atLimit}`, () => {
    const table = EmbeddingTable.create({
      seed: 1,
      slices: [{
        name: "embeddings",
        dim: 8,
        initializer: { kind: "zeros" },
        optimizer: { kind: "sgd", learningRate: 0.1 },
      }],
      slots: [],
      bytesMax: 4 << 20,
      atLimit,
    });
    const learn = (from: number, count: number) =>
      table.applyGradients(
        BigUint64Array.from({ length: count }, (_, i) => BigInt(from + i)),
        new Float32Array(count * 8).fill(1),
        new Uint32Array(count).fill(1),
        0,
      );
    for (let from = 0; from < 200_000; from += 10_000) learn(from, 10_000);
    const { rows, bytes } = table.statistics();
    assert.ok(rows < 150_000 && bytes > 0.9 * (4 << 20), `${rows} rows in ${bytes} bytes`);

    table.snapshots.begin();
    let written = table.snapshots.nextChunk(100)!.rows;
    learn(atLimit === "reject" ? 0 : 190_000, 10_000); // rows that exist, not written yet
    if (atLimit !== "reject") learn(200_000, 1_000); // and new ones that push others out
    for (let chunk; (chunk = table.snapshots.nextChunk(8_192)) !== undefined;) {
      written += chunk.rows;
    }
    assert.equal(written, rows);
    assert.ok(table.statistics().bytes <= 4 << 20);
  });
}
