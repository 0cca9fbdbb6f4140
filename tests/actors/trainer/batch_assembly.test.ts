import assert from "node:assert/strict";
import fc from "fast-check";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunks.ts";
import { BatchAssembly, type TrainingBatch } from "../../../actors/trainer/batch_assembly.ts";
import {
  decodeExamples,
  encodeExamples,
  type ExampleChunk,
} from "../../../records/example_chunk.ts";

const SHAPE = { slots: 2, denseWidth: 1, tasks: 1 };

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
        servedScore: 0.5,
        atMs: row,
      });
    }
    return builder.finish(100 + i);
  });
}

/** The row numbers in a batch, after checking that all columns agree on them. */
function rowsOf(batch: TrainingBatch): number[] {
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

Deno.test("rows come once and in order, independent of the sizes of chunks and batches", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 12 }),
    fc.integer({ min: 1, max: 8 }),
    fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 3 }),
    (sizes, batchRows, marks) => {
      const assembly = new BatchAssembly(SHAPE);
      for (const mark of marks) assembly.endBatchAt(mark);
      const seen: number[] = [];
      chunks(sizes).forEach((chunk, offset) => {
        assembly.add(chunk, offset);
        while (assembly.rows >= batchRows) {
          const batch = assembly.take(batchRows)!;
          const from = seen.length;
          seen.push(...rowsOf(batch));
          assert.equal(batch.sequence, seen.length);
          assert.ok(!marks.some((mark) => mark > from && mark < seen.length));
        }
      });
      for (let batch; (batch = assembly.take(batchRows)) !== undefined;) {
        seen.push(...rowsOf(batch));
      }
      assert.deepEqual(seen, Array.from({ length: seen.length }, (_, row) => row));
      assert.equal(seen.length, sizes.reduce((a, b) => a + b, 0));
    },
  ));
});

Deno.test("the freshness mark moves only when a chunk's last row is taken", () => {
  const assembly = new BatchAssembly(SHAPE);
  chunks([3, 2, 0]).forEach((chunk, offset) => assembly.add(chunk, offset));
  assert.deepEqual([assembly.take(2)!.learnedThroughMs, assembly.passedMs], [0, 0]);
  assert.equal(assembly.take(2)!.learnedThroughMs, 100);
  // The empty chunk after the last row moves the mark too.
  assert.equal(assembly.take(2)!.learnedThroughMs, 102);
});

Deno.test("an empty chunk moves the mark when no row waits before it", () => {
  const assembly = new BatchAssembly(SHAPE);
  assembly.add(chunks([0])[0], 0);
  assert.equal(assembly.passedMs, 100);
});

Deno.test("a batch names the record from which the rows after it can be read", () => {
  const assembly = new BatchAssembly(SHAPE);
  chunks([3, 3]).forEach((chunk, i) => assembly.add(chunk, 40 + i));
  assert.equal(assembly.take(2)!.nextOffset, 40);
  assert.equal(assembly.take(1)!.nextOffset, 41);
  assert.equal(assembly.take(3)!.nextOffset, 42);
});

Deno.test("learned rows are skipped inside their chunk", () => {
  const assembly = new BatchAssembly(SHAPE, 4);
  chunks([3, 3]).forEach((chunk, offset) => assembly.add(chunk, offset));
  const batch = assembly.take(10)!;
  assert.deepEqual(rowsOf(batch), [4, 5]);
  assert.equal(batch.sequence, 6);
});

/** A chunk with one slot more than {@link SHAPE}. */
function otherSchema(rows: number, firstRow: number): ExampleChunk {
  const builder = new ExampleChunkBuilder({ ...SHAPE, slots: 3 }, firstRow, 1);
  for (let row = 0; row < rows; row++) {
    const listOffsets = Uint32Array.of(0, 0, 1, 1);
    builder.add({
      features: { ids: new Uint32Array(2), listOffsets, dense: new Uint32Array(1) },
      row: 0,
      labels: [1],
      logSampleRate: 0,
      servedScore: 0,
      atMs: 9,
    });
  }
  return builder.finish(50);
}

Deno.test("chunks of another schema at the log's beginning are skipped, and rows keep their numbers", () => {
  const assembly = new BatchAssembly(SHAPE, 1);
  assert.equal(assembly.add(otherSchema(3, 0), 0), false);
  assert.equal(assembly.take(10), undefined);
  assert.deepEqual([assembly.nextOffset, assembly.passedMs], [1, 50]);
  assert.equal(assembly.add(chunks([2], 3)[0], 1), true);
  const batch = assembly.take(10)!;
  assert.deepEqual([rowsOf(batch), batch.sequence], [[3, 4], 5]);
});

Deno.test("a damaged chunk at the log's beginning is refused, not skipped", () => {
  const chunk = otherSchema(3, 0);
  for (const name of ["ids", "listOffsets", "dense", "labels", "servedScores"] as const) {
    const cut = { ...chunk, [name]: chunk[name].subarray(0, -4) };
    assert.throws(() => new BatchAssembly(SHAPE).add(cut, 0), RangeError, name);
  }
});

Deno.test("a chunk of another schema and a gap in the log are refused, with the found and the needed numbers", () => {
  const [chunk] = chunks([2]);
  const assembly = new BatchAssembly(SHAPE);
  assembly.add(chunk, 0);
  assert.throws(
    () => assembly.add(otherSchema(2, 2), 7),
    /offset 7: listOffsets has 28 bytes and 2 rows of 2 slots.*need 20/,
  );
  assert.throws(() => assembly.add(chunks([1], 5)[0], 1), /lost 3 rows/);
  const cut = { ...chunks([2], 2)[0], ids: chunk.ids.subarray(8) };
  assert.throws(
    () => assembly.add(cut, 2),
    /offset 2: its lists end at id .* the record is damaged/,
  );
});

Deno.test("the columns of a chunk may be unaligned", () => {
  const assembly = new BatchAssembly(SHAPE), shifted = new BatchAssembly(SHAPE);
  const [chunk] = chunks([5]);
  assembly.add(chunk, 0);
  shifted.add(decodeExamples(encodeExamples(chunk)), 0);
  const moved = (bytes: Uint8Array) => new Uint8Array([0, ...bytes]).subarray(1);
  const odd = Object.fromEntries(
    Object.entries(chunk).map((
      [name, value],
    ) => [name, value instanceof Uint8Array ? moved(value) : value]),
  ) as unknown as ExampleChunk;
  const third = new BatchAssembly(SHAPE);
  third.add(odd, 0);
  const batch = assembly.take(4)!;
  assert.deepEqual(shifted.take(4), batch);
  assert.deepEqual(third.take(4), batch);
});
