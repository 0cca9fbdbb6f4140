/**
 * The ranker's door: candidates in, scored and ordered items out.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { Attributes } from "../../mesh/ports/profile_store.ts";
import type { Explanation, ScorerStatus, Scores } from "../scorer/protocol.ts";

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
  /** What orders the items: of one task its prediction, of several the weighted sum of theirs. */
  readonly score: number;
  /** Of each task by name, where there are several: the probability of its positive label, or its label's value. */
  readonly predictions?: Readonly<Record<string, number>>;
  /** No feature of this item has a learned row yet: the score rests on the user and the context. */
  readonly cold: boolean;
  /** On `explain`. */
  readonly explanation?: Explanation;
}

/** The answer: items best first, and what their scores rest on. */
export interface Ranking extends Pick<Scores, "modelVersion" | "learnedThroughMs"> {
  readonly rankingId: string;
  readonly items: readonly RankedItem[];
}

/** Asks whether and with what the scorer behind it answers. */
export interface GetRankerStatus extends Request<ScorerStatus> {
  readonly kind: "getStatus";
}

/** All that a ranker understands. */
export type RankerMessage = Rank | GetRankerStatus;
