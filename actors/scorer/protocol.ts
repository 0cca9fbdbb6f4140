/**
 * The scorer's door: features in, what the model predicts of each row out.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";

/** Asks what the model predicts. */
export interface Score extends Request<Scores> {
  readonly kind: "score";
  readonly features: FeatureBatch;
}

/** The answer, and what it rests on. */
export interface Scores {
  /** What orders the rows: their predictions, weighted and summed. `[rows]` */
  readonly scores: Float32Array<ArrayBuffer>;
  /** Of each task: the probability of its positive label, in (0, 1), or its label's value. `[rows, tasks]` */
  readonly predictions: Float32Array<ArrayBuffer>;
  /** 1 where no feature of the row's item has a learned row yet. `[rows]` */
  readonly cold: Uint8Array<ArrayBuffer>;
  /** Version of the dense weights, from 0 (untrained). */
  readonly modelVersion: number;
  /** Every decided event accepted up to this wall time (ms since the Unix epoch, see `Action.acceptedAtMs`) is in these scores; 0 before the first. */
  readonly learnedThroughMs: number;
}

/**
 * What each slot brought to a row's score, by slot name, largest first: how much less it is when the slot is left out. Where
 * a single task makes the score, its logit stands for it.
 */
export type Explanation = readonly { readonly slot: string; readonly contribution: number }[];

/** Asks for the explanation of each row. */
export interface Explain extends Request<readonly Explanation[]> {
  readonly kind: "explain";
  readonly features: FeatureBatch;
}

/** New dense weights from parameter sync; older versions than the one served are ignored. */
export interface LoadDenseWeights extends Request<{ readonly version: number }> {
  readonly kind: "loadDenseWeights";
  readonly weights: DenseWeights;
}

/** The replicas have applied all that was learned up to here; less than before, where a shard has lost what it had learned. */
export interface SetFreshness extends Request<ScorerStatus> {
  readonly kind: "setFreshness";
  readonly learnedThroughMs: number;
}

/** Whether and with what the scorer answers. */
export interface ScorerStatus {
  /** Weights are loaded and the replicas answer. */
  readonly ready: boolean;
  readonly modelVersion: number;
  readonly learnedThroughMs: number;
}

/** Asks for {@link ScorerStatus}. */
export interface GetScorerStatus extends Request<ScorerStatus> {
  readonly kind: "getStatus";
}

/** Score the requests that wait: told by the scorer to itself. */
export interface ScoreWaiting {
  readonly kind: "scoreWaiting";
}

/** All that a scorer understands. */
export type ScorerMessage =
  | Score
  | Explain
  | LoadDenseWeights
  | SetFreshness
  | GetScorerStatus
  | ScoreWaiting;
