import assert from "node:assert/strict";
import fc from "fast-check";
import type { ExampleBatch } from "../../../actors/trainer/example_batch.ts";
import {
  decodeReference,
  encodeReference,
  referenceOf,
} from "../../../actors/trainer/reference_batch.ts";

const SHAPE = { slots: 2, denseWidth: 1, tasks: 2, schemaFingerprint: 5 };

/** A batch whose lists have the lengths given, two a row. */
function batchOf(lengths: readonly number[]): ExampleBatch {
  const rows = lengths.length / SHAPE.slots;
  let end = 0;
  const listOffsets = Uint32Array.from([0, ...lengths.map((length) => end += length)]);
  const column = (width: number) => Float32Array.from({ length: rows * width }, (_, i) => i / 7);
  const progress = { sequence: 100 + rows, offset: 4, learnedThroughMs: 7.5 };
  return {
    partition: 0,
    features: {
      rows,
      ids: BigUint64Array.from({ length: end }, (_, i) => 2n ** 63n + BigInt(i)),
      listOffsets,
      dense: column(SHAPE.denseWidth),
    },
    labels: column(SHAPE.tasks),
    logSampleRate: column(1),
    servedPredictions: column(1).fill(NaN),
    sequence: 100 + rows,
    atMs: 12.5,
    before: { ...progress, sequence: 100 },
    after: progress,
    passed: new Map(),
    endsFlight: false,
  };
}

/** The parts of a batch that a step reads. */
function readByStep({ features, labels, logSampleRate, sequence }: ExampleBatch) {
  return { features, labels, logSampleRate, sequence };
}

Deno.test("a reference is the first rows of a batch, and is read as it was written", () => {
  const rows = fc.integer({ min: 1, max: 400 });
  fc.assert(fc.property(rows, fc.infiniteStream(fc.nat(3)), (count, stream) => {
    const lengths = [...stream.take(count * SHAPE.slots)];
    const reference = referenceOf(batchOf(lengths));
    assert.equal(reference.features.rows, Math.min(count, 256));
    assert.deepEqual(referenceOf(reference), reference, "it is its own reference");
    const read = decodeReference(SHAPE, encodeReference(SHAPE, reference));
    assert.deepEqual(read && readByStep(read), readByStep(reference));
  }));
});

Deno.test("a reference of another schema is none", () => {
  const bytes = encodeReference(SHAPE, batchOf([1, 2, 0, 1]));
  for (const other of [{ slots: 3 }, { denseWidth: 0 }, { tasks: 1 }, { schemaFingerprint: 6 }]) {
    assert.equal(decodeReference({ ...SHAPE, ...other }, bytes), undefined);
  }
});

Deno.test("a reference has the same bytes whichever chunks without rows were read behind its batch", () => {
  const batch = batchOf([1, 2]);
  const later = { ...batch, after: { ...batch.after, offset: 9, learnedThroughMs: 80 } };
  assert.deepEqual(encodeReference(SHAPE, later), encodeReference(SHAPE, batch));
});
