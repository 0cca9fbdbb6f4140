/**
 * A batch of examples as the trainer reads it: feature ids in place of the pooled inputs that a
 * session's `TrainingBatch` has (kernels/dense/training_batch.ts).
 */
import type { TraceContext } from "../../mesh/ports/tracing.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { Forgotten } from "../../records/forgotten.ts";
import type { LearnedChunk } from "../embedding_shard/protocol.ts";
import { invariant } from "../../structures/invariant.ts";

/** How far a trainer has consumed a partition of the example log. */
export interface Progress {
  /** Rows of the partition that are learned, or skipped as rows of another schema. */
  readonly sequence: number;
  /** Log offset from which the rows after them can be read. */
  readonly offset: number;
  /** All examples decided by actions accepted up to here are learned, ms. */
  readonly learnedThroughMs: number;
}

/** The progress in each of several partitions, by partition. */
export type Progresses = ReadonlyMap<number, Progress>;

export interface ExampleBatch {
  /** The partition that it was read from. */
  readonly partition: number;
  /** The chunk that it was read from. */
  readonly chunk?: LearnedChunk | undefined;
  readonly features: FeatureBatch;
  /** `[rows, tasks]` */
  readonly labels: Float32Array<ArrayBuffer>;
  /** `[rows]` */
  readonly logSampleRate: Float32Array<ArrayBuffer>;
  /** `[rows]` */
  readonly servedPredictions: Float32Array<ArrayBuffer>;
  /** A hash of each row's ranking, `[rows]`; absent = no two rows are of one. */
  readonly rankings?: Uint32Array<ArrayBuffer>;
  /** Rows of the partition up to the end of this batch. */
  readonly sequence: number;
  /** The newest example's time on the data clock, ms. */
  readonly atMs: number;
  /** The progress in its partition before this batch. */
  readonly before: Progress;
  /** The progress in its partition when this batch is learned. */
  readonly after: Progress;
  /** Progress in other partitions when it is learned, past chunks without rows to learn. */
  readonly passed: Progresses;
  /**
   * Whether all gradients up to this batch are applied before the rows of the next one are looked
   * up. Otherwise the next batches are looked up first, as far as they can be in flight.
   */
  readonly endsFlight: boolean;
  /** Traces of rankings in this batch whose spans are recorded. */
  readonly traces?: readonly TraceContext[] | undefined;
}

/** Erasures between two batches. */
export interface Erasing {
  readonly partition: number;
  readonly forget: readonly Forgotten[];
  /** Offset of their chunk. */
  readonly offset: number;
  /** Their chunk, as of {@link ExampleBatch.chunk}. */
  readonly chunk?: LearnedChunk | undefined;
  /** The progress in their partition when the rows are removed. */
  readonly after: Progress;
  /** As of {@link ExampleBatch.passed}. */
  readonly passed: Progresses;
}

/** The numbers of a batch's rows in words: `17`, or `17 to 20`. */
export function rangeOf({ sequence, features: { rows } }: ExampleBatch): string {
  return rows === 1 ? String(sequence - 1) : `${sequence - rows} to ${sequence - 1}`;
}

/**
 * Rows `[from, to)` of a batch as a batch of their own. Only the last part reaches the batch's
 * progress: a chunk of the log is consumed as a whole.
 */
export function partOf(batch: ExampleBatch, from: number, to: number): ExampleBatch {
  const { features: { rows, ids, listOffsets, dense }, labels, before, after } = batch;
  invariant(0 <= from && from < to && to <= rows, "a part of a batch has rows");
  const slots = (listOffsets.length - 1) / rows;
  const [denseWidth, tasks] = [dense.length / rows, labels.length / rows];
  const firstId = listOffsets[from * slots];
  const firstRow = batch.sequence - rows;
  return {
    partition: batch.partition,
    chunk: batch.chunk,
    features: {
      rows: to - from,
      ids: ids.subarray(firstId, listOffsets[to * slots]),
      listOffsets: listOffsets.slice(from * slots, to * slots + 1).map((id) => id - firstId),
      dense: dense.subarray(from * denseWidth, to * denseWidth),
    },
    labels: labels.subarray(from * tasks, to * tasks),
    logSampleRate: batch.logSampleRate.subarray(from, to),
    servedPredictions: batch.servedPredictions.subarray(from, to),
    ...(batch.rankings && { rankings: batch.rankings.subarray(from, to) }),
    sequence: firstRow + to,
    atMs: batch.atMs,
    before: from === 0 ? before : { ...before, sequence: firstRow + from },
    after: to === rows ? after : { ...before, sequence: firstRow + to },
    passed: to === rows ? batch.passed : new Map(),
    endsFlight: to === rows && batch.endsFlight,
    traces: batch.traces,
  };
}
