/**
 * The messages that a trainer understands.
 */
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import type { Address, Request } from "../../mesh/runtime/actor.ts";
import type { TrainerPart } from "../../records/snapshot_parts.ts";

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
