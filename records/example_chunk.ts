/**
 * The record of the example log: labelled examples, in columns.
 */
import { decode, encode } from "@msgpack/msgpack";
import type { JoinerPosition } from "./joiner_position.ts";

/**
 * A chunk of labelled examples. Arrays are little-endian bytes of the shapes in `FeatureBatch`.
 *
 * Rows of a partition are numbered from 0 without gaps; a trainer's sequence is the number of rows that it has
 * consumed, so that it means the same however rows fall into batches.
 */
export interface ExampleChunk {
  /** The number of the first row in its partition. */
  readonly firstRow: number;
  /** May be 0: then the chunk only carries `acceptedAtMs` on. */
  readonly rows: number;
  readonly ids: Uint8Array;
  readonly listOffsets: Uint8Array;
  readonly dense: Uint8Array;
  /** float32 [rows, tasks]; 0 or 1 for classification. */
  readonly labels: Uint8Array;
  /** float32 [rows]: ln(sample rate) of the example, 0 where it was not sampled: the loss sees logit - this. */
  readonly logSampleRate: Uint8Array;
  /** float32 [rows]: scores when served, for progressive comparison; NaN where unknown. */
  readonly servedScores: Uint8Array;
  /** Data clock of the newest example, ms. */
  readonly atMs: number;
  /** All that actions accepted up to this wall time have decided is in this chunk and those before it, ms. */
  readonly acceptedAtMs: number;
  /** Where the joiner goes on if this chunk is the last that it wrote; absent in chunks of batch training. */
  readonly resume?: JoinerPosition;
}

/** Names and lengths of a chunk's fields. */
const ENVELOPE_BYTES = 1_024;

/** The chunk as bytes for the example log. */
export function encodeExamples(chunk: ExampleChunk): Uint8Array {
  const { ids, listOffsets, dense, labels, logSampleRate, servedScores } = chunk;
  const columns = [ids, listOffsets, dense, labels, logSampleRate, servedScores];
  // Else the buffer doubles until a chunk fits, and each is copied into the next.
  const bytes = columns.reduce((sum, { byteLength }) => sum + byteLength, ENVELOPE_BYTES);
  return encode(chunk, { initialBufferSize: bytes });
}

/** The chunk that {@link encodeExamples} wrote. */
export function decodeExamples(bytes: Uint8Array): ExampleChunk {
  return decode(bytes) as ExampleChunk;
}
