/**
 * The trainer's door, and the record of the example log that it reads: labelled examples, in columns.
 */
import { decode, encode } from "@msgpack/msgpack";
import type { Address, Request } from "../../mesh/runtime/actor.ts";
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import type { TrainerPart } from "../snapshotter/protocol.ts";

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
  readonly segmentOffsets: Uint8Array;
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

/** The joiner's memory is a function of the event log, so a position in it is all that a restart needs. */
export interface JoinerPosition {
  /** Examples decided by records before this offset are in the example log. */
  readonly eventOffset: number;
  /** Reading again from here rebuilds every impression that was open. */
  readonly replayOffset: number;
  /** The data clock at `replayOffset`, ms. */
  readonly replayClockMs: number;
}

/** Names and lengths of a chunk's fields. */
const ENVELOPE_BYTES = 1_024;

/** The chunk as bytes for the example log. */
export function encodeExamples(chunk: ExampleChunk): Uint8Array {
  const { ids, segmentOffsets, dense, labels, logSampleRate, servedScores } = chunk;
  const columns = [ids, segmentOffsets, dense, labels, logSampleRate, servedScores];
  // Else the buffer doubles until a chunk fits, and each is copied into the next.
  const bytes = columns.reduce((sum, { byteLength }) => sum + byteLength, ENVELOPE_BYTES);
  return encode(chunk, { initialBufferSize: bytes });
}

/** The chunk that {@link encodeExamples} wrote. */
export function decodeExamples(bytes: Uint8Array): ExampleChunk {
  return decode(bytes) as ExampleChunk;
}

/** New chunks may be readable in the example log. */
export interface ExamplesAppended {
  readonly kind: "examplesAppended";
}

/** The linger is over: train on what has come, even if it is less than a batch. */
export interface FlushBatch {
  readonly kind: "flushBatch";
}

/** Cumulative scores by label: AUC and loss of any interval come from the difference of two readings. */
export interface ScoreHistograms {
  /**
   * Predictions per score bin, for label 0 and label 1. Scores are probabilities in equal bins of [0, 1]; there are no
   * bins where a task predicts a value.
   */
  readonly negatives: Float64Array;
  readonly positives: Float64Array;
  readonly examples: number;
  /** How many the examples stand for: more, where negatives were sampled and count for those left out. */
  readonly weights: number;
  /** Of the logloss, or of the squared errors where a value is predicted. */
  readonly lossSum: number;
}

/** Scores since start, each made before its example was learned from. */
export interface ProgressiveValidation {
  /** The trainer's own, with all that it had learned by then; by task, in the model's order. */
  readonly trained: Readonly<Record<string, ScoreHistograms>>;
  /** The first task's that were served with the ranking, as the joiner found them; none where it predicts a value. */
  readonly served: ScoreHistograms;
}

/** How far the trainer has come. */
export interface TrainerStatus {
  readonly steps: number;
  readonly examples: number;
  /** Mean loss of the last step. */
  readonly loss: number;
  readonly learnedThroughMs: number;
  /** The lives of the shards that have learned that, by shard. */
  readonly incarnations: readonly string[];
  /** Next example log offset. */
  readonly offset: number;
  /** Training stopped because the loss was not finite or exploded; says on which batch. */
  readonly diverged?: string;
}

/** Asks for {@link TrainerStatus}. */
export interface GetTrainerStatus extends Request<TrainerStatus> {
  readonly kind: "getStatus";
}

/** Asks for {@link ProgressiveValidation}. */
export interface GetProgressiveValidation extends Request<ProgressiveValidation> {
  readonly kind: "getProgressiveValidation";
}

/** The current dense weights, and how far they and the shards have learned. */
export interface GetDenseWeights
  extends Request<{ readonly weights: DenseWeights; readonly learnedThroughMs: number }> {
  readonly kind: "getDenseWeights";
}

/**
 * Asks for the dense weights to be averaged with other trainers', and for how many examples were trained on since the
 * last mean was adopted. The trainer keeps what it offered until {@link AdoptMean}.
 */
export interface OfferWeights
  extends Request<{ readonly weights: DenseWeights; readonly examples: number }> {
  readonly kind: "offerWeights";
}

/**
 * Gives the mean back: what was learned since the offer is added to it. Without effect where the trainer made no such
 * offer, because it was restarted since. The optimizer's state stays the trainer's own.
 */
export interface AdoptMean extends Request<{ readonly adopted: boolean }> {
  readonly kind: "adoptMean";
  readonly mean: DenseWeights;
  /** The version that was offered. */
  readonly offered: number;
}

/** Where a trainer stands still for a cut. */
export interface TrainerMark {
  readonly source: string;
  /** Rows of the trainer's partition that are learned. */
  readonly sequence: number;
  /** The lives of the shards that this holds for, by shard. */
  readonly incarnations: readonly string[];
}

/**
 * Makes a consistent cut for a snapshot: between two batches, with all shards told to note the same moment. Each trainer
 * stands still while it asks the next one, and the last tells the shards. Answers with the trainers' parts, written;
 * without any where nothing was learned since `unlessAt`.
 */
export interface Cut extends Request<{ readonly parts: readonly TrainerPart[] }> {
  readonly kind: "cut";
  readonly snapshot: string;
  /** Trainers that stand still already. */
  readonly standing: readonly TrainerMark[];
  /** Trainers that come after this one. */
  readonly others: readonly Address[];
  /** The sequences of the last snapshot, by source. */
  readonly unlessAt?: Readonly<Record<string, number>>;
}

/** Looks whether a shard was restarted while nothing was learned; told by the trainer to itself. */
export interface CheckShards {
  readonly kind: "checkShards";
}

/** All that a trainer understands. */
export type TrainerMessage =
  | ExamplesAppended
  | CheckShards
  | Cut
  | FlushBatch
  | GetTrainerStatus
  | GetProgressiveValidation
  | GetDenseWeights
  | OfferWeights
  | AdoptMean;
