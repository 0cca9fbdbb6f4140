/**
 * The messages that a ranker understands: candidates in, scored and ordered items out.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { Attributes } from "../../mesh/ports/profile_store.ts";
import type { RetrieverSource } from "../retriever/protocol.ts";
import type { RuleSet } from "../../rules/rule_set.ts";
import type { MovingRule } from "../../rules/apply_rules.ts";
import type { Explanation, ScorerStatus, Scores } from "../scorer/protocol.ts";

/** An item to rank. */
export interface Candidate {
  readonly id: string;
  /** Attributes for this request only; they override the stored profile's. */
  readonly fields?: Attributes;
}

/** The parts of a request that do not depend on where its candidates come from. */
export interface RankingRequest extends Request<Ranking> {
  readonly user: string;
  /** Attributes of the request (device, page, …). */
  readonly context: Attributes;
  /** Attributes of the user for this request only; they override the stored profile's. */
  readonly userFields?: Attributes;
  /** The request's time on the data clock, ms since the Unix epoch. */
  readonly atMs: number;
  /** Number of items to return, and without `shown` to log as shown. */
  readonly limit: number;
  /** False = the ranking is not logged, and nothing is learned from it. Default true. */
  readonly learn?: boolean;
  /** True = only items that a report or an event names are learned from. Default false. */
  readonly awaitShown?: boolean;
  /** Adds explanations to the first `RankerOptions.explainedItemsMax` items. */
  readonly explain: boolean;
  /** Rules over the scored items; their conditions are valid. Absent = none. */
  readonly rules?: RuleSet;
  /** The caller's id for this ranking; a new one if absent. */
  readonly rankingId?: string;
}

/** Asks for a ranking of the candidates. */
export interface Rank extends RankingRequest {
  readonly kind: "rank";
  /** 1 to 500. */
  readonly candidates: readonly Candidate[];
  /** Candidates in the order in which the caller shows them; absent = in the answer's order. */
  readonly shown?: readonly string[];
}

/**
 * Sources of candidates that a request names; `popular` and `trending` are lists of a kept feature,
 * and `history` is a kept history of the user.
 */
export type RequestedSource = RetrieverSource | "popular" | "trending" | "history";

/** Sources of candidates; `new` are the items of a rule about new items. */
export type CandidateSource = RequestedSource | "new";

/** Asks for a ranking of stored items that the ranker finds itself. */
export interface Recommend extends RankingRequest {
  readonly kind: "recommend";
  readonly sources: readonly RequestedSource[];
  /** Items of each source that are ranked, at most. */
  readonly candidates: number;
}

/** Asks for the items that are similar to an item. */
export interface RecommendSimilar extends RankingRequest {
  readonly kind: "recommendSimilar";
  readonly item: string;
  /** Similar items that are ranked, at most. */
  readonly candidates: number;
  /** `similarity`: the most similar first, before the rules. `score`: as in other rankings. */
  readonly orderBy: "similarity" | "score";
}

/** A change of an item's position by a rule. */
export interface Move {
  readonly rule: MovingRule;
  /** Position before the rule, from 1. */
  readonly from: number;
  /** Position after the rule, from 1. */
  readonly to: number;
  /** Conditions of boosts that the item meets; absent for an item that others passed. */
  readonly boosts?: readonly string[];
}

/** An item that a rule left out. */
export interface RemovedItem {
  readonly id: string;
  readonly by: "exclude" | "filter";
}

/** A rule that reads what a user was shown or has acted on. */
export type HistoryRule = "exclude" | "rotation";

/** An item with its score. */
export interface RankedItem {
  readonly id: string;
  /** Orders the items: the prediction of the only task, or the weighted sum of several. */
  readonly score: number;
  /**
   * With several tasks, by task name: the probability of a positive label, or the label's value.
   */
  readonly predictions?: Readonly<Record<string, number>>;
  /** No feature of this item has a learned row yet: the score rests on user and context. */
  readonly cold: boolean;
  /** Where a recommended item comes from. */
  readonly sources?: readonly CandidateSource[];
  /** Cosine of the vectors of a similar item. */
  readonly similarity?: number;
  /** Present if `explain` was set and the item is among the first `explainedItemsMax`. */
  readonly explanation?: Explanation;
  /** Present if `explain` was set and rules moved the item. */
  readonly moves?: readonly Move[];
}

/** The answer to a request for a ranking: items, best first, with model version and freshness. */
export interface Ranking extends Pick<Scores, "modelVersion" | "learnedThroughMs"> {
  readonly rankingId: string;
  /** Empty if the rules left no item. Such a ranking is not logged. */
  readonly items: readonly RankedItem[];
  /** Whether the event log did not take the ranking, because its server was away, slow or full. */
  readonly unlogged?: true;
  /** Present if `explain` was set: items that rules left out, at most `removedItemsMax`. */
  readonly removed?: readonly RemovedItem[];
  /** Rules that were not applied, because the user's history could not be read in time. */
  readonly rulesSkipped?: readonly HistoryRule[];
}

/**
 * Asks for the impression of a ranking that no server gave: the record for the event log, with the
 * features of now and without scores. Nothing is logged.
 */
export interface DescribeItems extends Request<Uint8Array> {
  readonly kind: "describeItems";
  readonly rankingId: string;
  readonly user: string;
  /** On the data clock, ms since the Unix epoch. */
  readonly atMs: number;
  readonly items: readonly string[];
  /** ln(share) of the items without an action that `items` holds. */
  readonly logSampleRate: number;
}

/** Asks for the status of the ranker's scorer. */
export interface GetRankerStatus extends Request<ScorerStatus> {
  readonly kind: "getStatus";
}

/** All that a ranker understands. */
export type RankerMessage = Rank | Recommend | RecommendSimilar | DescribeItems | GetRankerStatus;

/** All requests for a ranking. */
export type RankingMessage = Rank | Recommend | RecommendSimilar;

/** `recommend.enabled` is false, so that there are no candidates to find. */
export class RecommendOffError extends Error {
  override readonly name = "RecommendOffError";
  constructor() {
    super("This server does not look for candidates; set recommend.enabled: true in cairn.yaml.");
  }
}
