/**
 * The examples on which a trainer tries its model when it refuses most others, as part of a
 * snapshot.
 */
import type { ExampleColumns } from "../../kernels/features/schema_fingerprint.ts";
import { decodeExamples, encodeExamples } from "../../records/example_chunk.ts";
import { ChunkBatches } from "./chunk_batches.ts";
import { type ExampleBatch, partOf } from "./example_batch.ts";

/** Rows of a reference at most, so that a snapshot grows little by it. */
const ROWS_MAX = 256;

/** The first rows of a batch, enough to try a model on. */
export function referenceOf(batch: ExampleBatch): ExampleBatch {
  const { rows } = batch.features;
  return rows <= ROWS_MAX ? batch : partOf(batch, 0, ROWS_MAX);
}

/**
 * A reference as an encoded example chunk. The acceptance mark is left out: the mark of a batch
 * also covers the chunks without rows behind it that were read in time, and a replay reads others.
 */
export function encodeReference(
  { schemaFingerprint }: ExampleColumns,
  { features, ...batch }: ExampleBatch,
): Uint8Array {
  const { rows, ids, listOffsets, dense } = features;
  return encodeExamples({
    firstRow: batch.sequence - rows,
    rows,
    schemaFingerprint,
    ids: bytesOf(ids),
    listOffsets: bytesOf(listOffsets),
    dense: bytesOf(dense),
    labels: bytesOf(batch.labels),
    logSampleRate: bytesOf(batch.logSampleRate),
    servedPredictions: bytesOf(batch.servedPredictions),
    ...(batch.rankings && { rankings: bytesOf(batch.rankings) }),
    atMs: batch.atMs,
    acceptedAtMs: 0,
  });
}

/**
 * The reference that {@link encodeReference} wrote; undefined where it is of another schema.
 *
 * @throws {RangeError} When it is damaged.
 */
export function decodeReference(
  { slots, denseWidth, tasks, schemaFingerprint }: ExampleColumns,
  bytes: Uint8Array,
): ExampleBatch | undefined {
  const options = { slots, denseWidth, tasks, schemaFingerprint, batchRows: ROWS_MAX };
  // The partition and the offset have no meaning: a reference is tried, and not learned.
  const batches = new ChunkBatches(options, [{ partition: 0 }]);
  batches.add(0, decodeExamples(bytes), 0);
  return batches.take();
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
