/**
 * Records of the example log: labelled examples, in columns. Each record is one MessagePack map
 * whose keys are the fields below; a column is a byte string of little-endian numbers.
 */
import { decode, encode } from "@msgpack/msgpack";
import type { Forgotten } from "./forgotten.ts";
import type { JoinerPosition } from "./joiner_position.ts";

/**
 * A chunk of labelled examples, which is one training batch. Columns have the shapes of
 * `FeatureBatch`.
 *
 * The rows of a partition are numbered from 0 without gaps. A chunk with `forget` has no rows and
 * takes one number, so that a removal has its place among the rows. A trainer's sequence is the
 * number after the last one that it has consumed.
 */
export interface ExampleChunk {
  /** Number of the chunk's first row in its partition. */
  readonly firstRow: number;
  /** 0 in a chunk that only moves `acceptedAtMs` and `resume` forward. */
  readonly rows: number;
  /** Fingerprint of the columns, see `ExampleColumns`; without a meaning if there are no rows. */
  readonly schemaFingerprint: number;
  /** uint64 `[ids]` */
  readonly ids: Uint8Array;
  /** uint32 `[rows·slots + 1]` */
  readonly listOffsets: Uint8Array;
  /** float32 `[rows, denseWidth]` */
  readonly dense: Uint8Array;
  /** float32 `[rows, tasks]`; 0 or 1 in a classification task. */
  readonly labels: Uint8Array;
  /** float32 `[rows]`: ln(sample rate), 0 without sampling. The loss sees logit - this. */
  readonly logSampleRate: Uint8Array;
  /** float32 `[rows]`: the first task's predictions when served; NaN if unknown. */
  readonly servedPredictions: Uint8Array;
  /**
   * uint32 `[rows]`: a hash of each row's ranking, by which a list loss groups them; absent = no
   * two rows are of one ranking.
   */
  readonly rankings?: Uint8Array;
  /** Data clock of the newest example, ms. */
  readonly atMs: number;
  /**
   * This chunk and the chunks before it hold all examples decided by actions accepted up to this
   * wall time, ms.
   */
  readonly acceptedAtMs: number;
  /**
   * The chunks before this one hold all examples decided by actions accepted up to this wall time,
   * ms; below `acceptedAtMs`. Absent where the chunk before tells as much.
   */
  readonly acceptedBeforeMs?: number;
  /**
   * Order among the chunks of all partitions: the wall time at which the joiner finished the chunk,
   * ms, raised where needed so that it ascends in the partition. A trainer of several partitions
   * takes their chunks in this order. Absent in chunks of offline training; counts as 0.
   */
  readonly orderedAtMs?: number;
  /** W3C trace contexts of rankings in this chunk whose spans are recorded, at most 16. */
  readonly traces?: readonly string[];
  /**
   * Erasures at this point of the stream; empty in a chunk that only gives the next snapshot a new
   * cut. A chunk that has it has no rows.
   */
  readonly forget?: readonly Forgotten[];
  /** Whether the partition ends with this chunk: later examples are in a later partitioning. */
  readonly ended?: true;
  /** Where a joiner resumes if this is its newest chunk; absent in chunks of offline training. */
  readonly resume?: JoinerPosition;
}

/** Number of the first row after a chunk. */
export function nextRowOf(
  { firstRow, rows, forget }: Pick<ExampleChunk, "firstRow" | "rows" | "forget">,
): number {
  return firstRow + rows + (forget === undefined ? 0 : 1);
}

/** Upper bound of a chunk's keys, lengths and scalar fields, bytes. */
const ENVELOPE_BYTES = 2_048;

/** The chunk as bytes for the example log, without the fields that are undefined. */
export function encodeExamples(chunk: ExampleChunk): Uint8Array {
  const { ids, listOffsets, dense, labels, logSampleRate, servedPredictions, rankings } = chunk;
  const columns = [ids, listOffsets, dense, labels, logSampleRate, servedPredictions];
  // Sized up front: a buffer that doubles until the chunk fits copies its content each time.
  const own = ENVELOPE_BYTES + (rankings?.byteLength ?? 0);
  const bytes = columns.reduce((sum, { byteLength }) => sum + byteLength, own);
  return encode(chunk, { initialBufferSize: bytes, ignoreUndefined: true });
}

/**
 * The chunk that {@link encodeExamples} wrote.
 *
 * @throws {Error} When the bytes are not MessagePack.
 */
export function decodeExamples(bytes: Uint8Array): ExampleChunk {
  return decode(bytes) as ExampleChunk;
}
