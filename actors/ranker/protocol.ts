/**
 * The ranker's door: candidates in, scored and ordered items out.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { Attributes } from "../../mesh/ports/profile_store.ts";
import type { DenseWeights } from "../../kernels/dense/weights.ts";

/** An item to rank. */
export interface Candidate {
  readonly id: string;
  /** Attributes for this request only; they override the stored profile's. */
  readonly fields?: Attributes;
}

/** Asks for an order of the candidates. */
export interface Rank extends Request<Ranking> {
  readonly kind: "rank";
  readonly user: string;
  /** Attributes of this moment (device, page, …). */
  readonly context: Attributes;
  /** Attributes of the user for this request only; they override the stored profile's. */
  readonly userFields?: Attributes;
  /** The request's time on the data clock, ms since the Unix epoch. */
  readonly atMs: number;
  /** 1 to 500. */
  readonly candidates: readonly Candidate[];
  /** Items to return (and to log as shown), best first. */
  readonly limit: number;
  readonly explain: boolean;
  /** The caller's own id for this ranking; absent = a fresh one. */
  readonly rankingId?: string;
}

/** An item with its score. */
export interface RankedItem {
  readonly id: string;
  /** What the first task predicts: the probability of its positive label, in (0, 1), or its label's value. */
  readonly score: number;
  /** No feature of this item has a learned row yet: the score rests on the user and the context. */
  readonly cold: boolean;
  /** On `explain`: what each slot brought to the logit when it is left out, by slot name, largest first. */
  readonly explanation?: readonly { readonly slot: string; readonly contribution: number }[];
}

/** The answer: items best first, and what their scores rest on. */
export interface Ranking {
  readonly rankingId: string;
  readonly items: readonly RankedItem[];
  /** Version of the dense weights, from 0 (untrained). */
  readonly modelVersion: number;
  /** Every decided event accepted up to this wall time (ms since the Unix epoch, see `Action.acceptedAtMs`) is in these scores; 0 before the first. */
  readonly learnedThroughMs: number;
}

/** New dense weights from parameter sync; older versions than the one served are ignored. */
export interface LoadDenseWeights extends Request<{ readonly version: number }> {
  readonly kind: "loadDenseWeights";
  readonly weights: DenseWeights;
}

/** The replicas have applied all that was learned up to here. */
export interface AdvanceFreshness extends Request<RankerStatus> {
  readonly kind: "advanceFreshness";
  readonly learnedThroughMs: number;
}

/** Whether and with what the ranker answers. */
export interface RankerStatus {
  /** Weights are loaded and the replicas answer: `/health/ready` may say yes. */
  readonly ready: boolean;
  readonly modelVersion: number;
  readonly learnedThroughMs: number;
}

/** Asks for {@link RankerStatus}. */
export interface GetRankerStatus extends Request<RankerStatus> {
  readonly kind: "getStatus";
}

/** Score the requests that wait: told by the ranker to itself. */
export interface ScoreWaiting {
  readonly kind: "scoreWaiting";
}

/** All that a ranker understands. */
export type RankerMessage =
  | Rank
  | LoadDenseWeights
  | AdvanceFreshness
  | GetRankerStatus
  | ScoreWaiting;
