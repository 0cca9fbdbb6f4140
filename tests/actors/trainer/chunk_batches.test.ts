/**
 * Batches from chunks of the example log. The rows of a test chunk carry their numbers in every
 * column, so that a batch tells which rows it holds.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import { ChunkBatches, type PartitionStart } from "../../../actors/trainer/chunk_batches.ts";
import type { ExampleBatch } from "../../../actors/trainer/example_batch.ts";
import {
  decodeExamples,
  encodeExamples,
  type ExampleChunk,
} from "../../../records/example_chunk.ts";

const SHAPE = { slots: 2, denseWidth: 1, tasks: 1, schemaFingerprint: 5, batchRows: 8 };

/**
 * Chunks whose row n has ids n (n % 3 times in slot 0) and n + 1000 (slot 1), dense value n and
 * label n % 2.
 */
function chunks(sizes: readonly number[], firstRow = 0): ExampleChunk[] {
  const builder = new ExampleChunkBuilder(SHAPE, firstRow, 1);
  let row = firstRow;
  return sizes.map((size, i) => {
    for (let n = 0; n < size; n++, row++) {
      const repeated = row % 3;
      const ids = BigUint64Array.from([
        ...Array(repeated).fill(BigInt(row)),
        BigInt(row + 1000),
      ]);
      builder.add({
        features: {
          ids: new Uint32Array(ids.buffer),
          listOffsets: Uint32Array.of(0, repeated, repeated + 1),
          dense: new Uint32Array(Float32Array.of(row).buffer),
        },
        row: 0,
        labels: [row % 2],
        logSampleRate: 0,
        servedPrediction: 0.5,
        ranking: 0,
        atMs: row,
      });
    }
    return builder.finish(100 + i);
  });
}

/** The row numbers in a batch, after checking that all columns agree on them. */
function rowsOf(batch: ExampleBatch): number[] {
  const { features, labels } = batch;
  return Array.from(features.dense, (row, i) => {
    const offsets = features.listOffsets;
    const repeated = Array.from(features.ids.subarray(offsets[i * 2], offsets[i * 2 + 1]), Number);
    assert.deepEqual(repeated, Array(row % 3).fill(row));
    const single = Array.from(
      features.ids.subarray(offsets[i * 2 + 1], offsets[i * 2 + 2]),
      Number,
    );
    assert.deepEqual(single, [row + 1000]);
    assert.equal(labels[i], row % 2);
    return row;
  });
}

/** The batches of partition 0. */
function batchesFrom(start: Omit<PartitionStart, "partition"> = {}): ChunkBatches {
  return new ChunkBatches(SHAPE, [{ partition: 0, ...start }]);
}

function batchesOf(batches: ChunkBatches): ExampleBatch[] {
  const taken: ExampleBatch[] = [];
  for (let batch; (batch = batches.take()) !== undefined;) taken.push(batch);
  return taken;
}

Deno.test("each chunk is one batch, and rows come once and in order", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 12 }),
    (sizes) => {
      const batches = batchesFrom();
      chunks(sizes).forEach((chunk, offset) => batches.add(0, chunk, offset));
      const taken = batchesOf(batches);
      assert.deepEqual(taken.map((batch) => batch.features.rows), sizes.filter((size) => size > 0));
      const rows = taken.flatMap(rowsOf);
      assert.deepEqual(rows, Array.from({ length: rows.length }, (_, row) => row));
      assert.equal(batches.progressOf(0).sequence, rows.length);
      assert.equal(batches.progressOf(0).offset, sizes.length);
    },
  ));
});

Deno.test("a chunk with more rows than a batch is split, and boundaries inside of a chunk end batches", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 6 }),
    fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 3 }),
    (sizes, boundaries) => {
      const batches = batchesFrom({ boundaries });
      chunks(sizes).forEach((chunk, offset) => batches.add(0, chunk, offset));
      const seen: number[] = [];
      for (const batch of batchesOf(batches)) {
        const from = seen.length;
        seen.push(...rowsOf(batch));
        assert.equal(batch.sequence, seen.length);
        assert.ok(batch.features.rows <= SHAPE.batchRows);
        assert.ok(!boundaries.some((boundary) => boundary > from && boundary < seen.length));
      }
      assert.deepEqual(seen, Array.from({ length: seen.length }, (_, row) => row));
      assert.equal(seen.length, sizes.reduce((a, b) => a + b, 0));
    },
  ));
});

Deno.test("resuming at any batch gives the same later batches", () => {
  const sizes = [20, 8, 3, 0, 17];
  const all = batchesFrom();
  chunks(sizes).forEach((chunk, offset) => all.add(0, chunk, offset));
  const expected = batchesOf(all);
  for (const [i, { after }] of expected.entries()) {
    const resumed = batchesFrom({ start: after });
    chunks(sizes).slice(after.offset)
      .forEach((chunk, k) => resumed.add(0, chunk, after.offset + k));
    assert.deepEqual(batchesOf(resumed).map(rowsOf), expected.slice(i + 1).map(rowsOf));
  }
});

Deno.test("the freshness mark and the offset move only with a chunk's last row", () => {
  const batches = batchesFrom();
  chunks([10, 2, 0]).forEach((chunk, i) => batches.add(0, chunk, 40 + i));
  const after = batchesOf(batches).map((batch) => batch.after);
  assert.deepEqual(after, [
    { sequence: 8, offset: 0, learnedThroughMs: 0 },
    { sequence: 10, offset: 41, learnedThroughMs: 100 },
    // The empty chunk after the last row moves them too.
    { sequence: 12, offset: 43, learnedThroughMs: 102 },
  ]);
});

Deno.test("an empty chunk moves the progress when no row waits before it", () => {
  const batches = batchesFrom();
  batches.add(0, chunks([0])[0], 0);
  assert.deepEqual(batches.progressOf(0), { sequence: 0, offset: 1, learnedThroughMs: 100 });
});

Deno.test("a flight ends at a chunk that is not full, before an empty chunk, and at every 64th offset", () => {
  const batches = batchesFrom();
  const sizes = [8, 8, 5, 8, 0, 8, 20, ...Array(70).fill(8)];
  chunks(sizes).forEach((chunk, offset) => batches.add(0, chunk, offset));
  const taken = batchesOf(batches);
  // The chunk of 20 rows is full, and gives three batches.
  const ends = taken.slice(0, 8).map(({ endsFlight }) => endsFlight);
  assert.deepEqual(ends, [false, false, true, true, false, false, false, false]);
  const later = taken.filter(({ after, endsFlight }) => endsFlight && after.offset > 7);
  assert.deepEqual(later.map(({ after }) => after.offset), [64]);
});

Deno.test("an empty chunk ends the flight of a batch that was taken before it came", () => {
  const batches = batchesFrom();
  const [full, empty, next] = chunks([8, 0, 8]);
  batches.add(0, full, 0);
  batches.take();
  assert.equal(batches.endsFlight, false);
  batches.add(0, empty, 1);
  assert.equal(batches.endsFlight, true);
  batches.add(0, next, 2);
  batches.take();
  assert.equal(batches.endsFlight, false);
});

Deno.test("learned rows are skipped inside their chunk", () => {
  const batches = batchesFrom({ start: { sequence: 4, offset: 0, learnedThroughMs: 0 } });
  chunks([3, 3]).forEach((chunk, offset) => batches.add(0, chunk, offset));
  const [batch] = batchesOf(batches);
  assert.deepEqual(rowsOf(batch), [4, 5]);
  assert.equal(batch.sequence, 6);
});

/** A chunk with one slot more than {@link SHAPE}. */
function otherSchema(rows: number, firstRow: number): ExampleChunk {
  const builder = new ExampleChunkBuilder({ ...SHAPE, slots: 3 }, firstRow, 1);
  for (let row = 0; row < rows; row++) {
    builder.add({
      features: {
        ids: new Uint32Array(2),
        listOffsets: Uint32Array.of(0, 0, 1, 1),
        dense: new Uint32Array(1),
      },
      row: 0,
      labels: [1],
      logSampleRate: 0,
      servedPrediction: 0,
      ranking: 0,
      atMs: 9,
    });
  }
  return builder.finish(50);
}

Deno.test("chunks of another schema are skipped anywhere in the log, and rows keep their numbers", () => {
  const batches = batchesFrom();
  assert.equal(batches.add(0, otherSchema(3, 0), 0), false);
  assert.equal(batches.take(), undefined);
  assert.deepEqual(batches.progressOf(0), { sequence: 3, offset: 1, learnedThroughMs: 50 });
  assert.equal(batches.add(0, chunks([2], 3)[0], 1), true);
  assert.equal(batches.add(0, otherSchema(4, 5), 2), false);
  assert.equal(batches.add(0, chunks([1], 9)[0], 3), true);
  const [first, second] = batchesOf(batches);
  assert.deepEqual([rowsOf(first), first.sequence, first.after.sequence], [[3, 4], 5, 9]);
  assert.deepEqual([rowsOf(second), second.sequence], [[9], 10]);
});

Deno.test("chunks of as many columns of another schema are skipped, and those without rows are of every one", () => {
  const other = { ...SHAPE, schemaFingerprint: SHAPE.schemaFingerprint + 1 };
  const batches = new ChunkBatches(other, [{ partition: 0 }]);
  assert.equal(batches.add(0, chunks([2])[0], 0), false);
  assert.equal(batches.add(0, chunks([0], 2)[0], 1), true);
  assert.equal(batches.take(), undefined);
  assert.equal(batches.progressOf(0).sequence, 2);
});

Deno.test("a damaged chunk is refused, not skipped", () => {
  const chunk = otherSchema(3, 0);
  for (const name of ["ids", "listOffsets", "dense", "labels", "servedPredictions"] as const) {
    const cut = { ...chunk, [name]: chunk[name].subarray(0, -4) };
    assert.throws(() => batchesFrom().add(0, cut, 0), RangeError, name);
  }
  const [own] = chunks([2]);
  assert.throws(
    () => batchesFrom().add(0, { ...own, dense: own.dense.subarray(1) }, 7),
    /offset 7: dense has 7 bytes and 2 rows .* need 8; the record is damaged/,
  );
  assert.throws(
    () => batchesFrom().add(0, { ...own, ids: own.ids.subarray(8) }, 2),
    /offset 2: its lists do not end at its last id .* the record is damaged/,
  );
});

Deno.test("a gap in the log is refused with the number of missing rows", () => {
  const batches = batchesFrom();
  batches.add(0, chunks([2])[0], 0);
  assert.throws(() => batches.add(0, chunks([1], 5)[0], 1), /lost 3 rows/);
});

Deno.test("chunks that were trimmed while the trainer stood still are told apart from lost rows", () => {
  const batches = batchesFrom();
  batches.add(0, chunks([2])[0], 0);
  assert.throws(() => batches.add(0, chunks([1], 5)[0], 4), {
    name: "ChunksTrimmedError",
    message: /at offset 1 of .* has trimmed the chunks before 4/,
  });
});

Deno.test("the columns of a chunk may be unaligned", () => {
  const [chunk] = chunks([5]);
  const moved = (bytes: Uint8Array) => new Uint8Array([0, ...bytes]).subarray(1);
  const odd = Object.fromEntries(
    Object.entries(chunk).map((
      [name, value],
    ) => [name, value instanceof Uint8Array ? moved(value) : value]),
  ) as unknown as ExampleChunk;
  const taken = [chunk, decodeExamples(encodeExamples(chunk)), odd].map((each) => {
    const batches = batchesFrom();
    batches.add(0, each, 0);
    return batches.take();
  });
  assert.deepEqual(taken[1], taken[0]);
  assert.deepEqual(taken[2], taken[0]);
});

Deno.test("a batch takes the progress of other partitions along, past chunks without rows", () => {
  const batches = new ChunkBatches(SHAPE, [{ partition: 0 }, { partition: 3 }]);
  const empty = chunks([0])[0];
  batches.add(3, empty, 0); // before any batch waits
  batches.add(0, chunks([8])[0], 0);
  batches.add(3, empty, 1);
  const [batch] = batchesOf(batches);
  assert.deepEqual([batch.partition, batch.after.offset, batch.endsFlight], [0, 1, true]);
  assert.deepEqual([...batch.passed].map(([each, { offset }]) => [each, offset]), [[3, 2]]);
  assert.deepEqual(
    [...batches.progress].map(([each, { offset }]) => [each, offset]),
    [[0, 1], [3, 2]],
  );
});

Deno.test("rows are numbered in their partition, and boundaries split its chunks alone", () => {
  const batches = new ChunkBatches(SHAPE, [{ partition: 0, boundaries: [2] }, { partition: 1 }]);
  batches.add(0, chunks([4])[0], 0);
  batches.add(1, chunks([4])[0], 0);
  batches.add(0, chunks([3], 4)[0], 1);
  const taken = batchesOf(batches).map(({ partition, sequence }) => [partition, sequence]);
  assert.deepEqual(taken, [[0, 2], [0, 4], [1, 4], [0, 7]]);
});
