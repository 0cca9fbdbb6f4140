/**
 * The messages that a scorer understands: features in, predictions of each row out.
 */
import type { Address, Request } from "../../mesh/runtime/actor.ts";
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { LearnedWeights } from "../trainer/protocol.ts";

/**
 * Asks for the scores of the rows of one ranking: the ids of user, context and time are the same in
 * all rows (`FeatureColumns.sharedSlots`).
 */
export interface Score extends Request<Scores> {
  readonly kind: "score";
  readonly features: FeatureBatch;
}

/** The rows that scores rest on. */
export interface Freshness {
  /**
   * These scores reflect every decided event accepted up to this wall time
   * (`ActionRecord.acceptedAtMs`), ms since the Unix epoch; 0 before the first, and while a shard
   * is away.
   */
  readonly learnedThroughMs: number;
  /** Shards of which no replica answered: their rows count as absent. */
  readonly shardsAway: number;
}

/** The answer to {@link Score}, with the model and the freshness behind it. */
export interface Scores extends Freshness {
  /** Ranking scores: the weighted sums of the predictions. `[rows]` */
  readonly scores: Float32Array<ArrayBuffer>;
  /** Probability of a positive label, in (0, 1), or the label's value. `[rows, tasks]` */
  readonly predictions: Float32Array<ArrayBuffer>;
  /** 1 if no feature of the row's item has a learned row yet. `[rows]` */
  readonly cold: Uint8Array<ArrayBuffer>;
  /** Version of the dense weights, from 0 (untrained). */
  readonly modelVersion: number;
}

/**
 * The contribution of each slot to a row's score, largest magnitude first: the score minus the
 * score without the slot. If a single task makes the score, its logit is explained instead.
 */
export type Explanation = readonly { readonly slot: string; readonly contribution: number }[];

/** Asks for the explanation of each row. Waiting {@link Score}s go first. */
export interface Explain extends Request<readonly Explanation[]> {
  readonly kind: "explain";
  readonly features: FeatureBatch;
}

/**
 * Asks for the retrieval vectors of rows: their items' or their users' side; see
 * retrieval_vectors.ts.
 */
export interface Embed extends Request<Embedded> {
  readonly kind: "embed";
  readonly features: FeatureBatch;
  readonly of: "items" | "users";
}

/** The answer to {@link Embed}. */
export interface Embedded extends Pick<Freshness, "shardsAway"> {
  readonly dim: number;
  /** Each vector is followed by its bias; `[rows, dim + 1]`. */
  readonly vectors: Float32Array<ArrayBuffer>;
}

/**
 * New dense weights from parameter sync; a version older than the served one is ignored. They are
 * passed on to `passTo` by weight_relay.ts, and the answer waits for these scorers. Refused with a
 * `WeightsMismatchError` where they are of another model.
 */
export interface LoadDenseWeights extends LearnedWeights, Request<WeightsLoaded> {
  readonly kind: "loadDenseWeights";
  readonly passTo: readonly Address[];
}

/** Weights of the newest snapshot, for the time before parameter sync. It sends it to itself. */
export interface BeginWith {
  readonly kind: "beginWith";
  readonly weights: DenseWeights;
}

/** In place of a version: the scorer did not answer the one before it. */
export const FAILED: number = -1;
/** In place of a version: one that failed should have passed the weights on to this scorer. */
export const NOT_REACHED: number = -2;

/** The answer to {@link LoadDenseWeights}. */
export interface WeightsLoaded {
  /** Served by the scorer, then by each of `passTo`, or {@link FAILED} or {@link NOT_REACHED}. */
  readonly versions: readonly number[];
}

/**
 * Offers the replicas of a later sharding. The scorer takes them, between two passes, if they know
 * all that the last answers of those in use have shown, and one of each shard answers. Where those
 * in use have ended, it is enough that a greater share of the shards answers than of theirs.
 * Answers with the sharding whose replicas are used.
 */
export interface ChangeReplicas extends Request<{ readonly sharding: number }> {
  readonly kind: "changeReplicas";
  readonly sharding: number;
  /** By shard, in the order in which they are asked. */
  readonly replicas: readonly (readonly Address[])[];
}

/** Asks for the {@link ServedModel}. */
export interface GetModel extends Request<ServedModel> {
  readonly kind: "getModel";
}

/** The dense model that a scorer has. */
export interface ServedModel {
  /**
   * False after a start, until {@link LoadDenseWeights}; meanwhile it serves the weights of the
   * newest snapshot, and without one nothing is scored.
   */
  readonly isSynced: boolean;
  readonly modelVersion: number;
  /** See {@link LearnedWeights}; 0 until {@link LoadDenseWeights}. */
  readonly learnedThroughMs: number;
}

/** Readiness of the scorer, and the model that it serves. */
export interface ScorerStatus extends Freshness {
  /**
   * Since the scorer began it has had trained weights, and a replica of each shard has answered, or
   * all of them were on other hosts and away.
   */
  readonly ready: boolean;
  readonly modelVersion: number;
}

/** Asks for {@link ScorerStatus}, and for the sharding whose replicas the scorer uses. */
export interface GetScorerStatus extends Request<ScorerStatus & { readonly sharding: number }> {
  readonly kind: "getStatus";
}

/** Uses the replicas of a later sharding from now on. The scorer sends it to itself. */
export interface TakeOffer {
  readonly kind: "takeOffer";
}

/** Scores the waiting requests. The scorer sends it to itself. */
export interface ScoreWaiting {
  readonly kind: "scoreWaiting";
}

/** Makes a waiting explanation. The scorer sends it to itself. */
export interface ExplainWaiting {
  readonly kind: "explainWaiting";
}

/** The scorer has just started without a snapshot; parameter sync sends weights in a moment. */
export class NoWeightsError extends Error {
  override readonly name = "NoWeightsError";
  constructor() {
    super("The scorer has just started and waits for the model's weights; try again in a moment.");
  }
}

/** All that a scorer understands. */
export type ScorerMessage =
  | Score
  | Explain
  | Embed
  | BeginWith
  | LoadDenseWeights
  | GetModel
  | ChangeReplicas
  | TakeOffer
  | GetScorerStatus
  | ScoreWaiting
  | ExplainWaiting;
