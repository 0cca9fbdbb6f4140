/**
 * Options of the HTTP API as plain data, checked by the configuration, and its fixed limits.
 */
import type { RequestedSource } from "../actors/ranker/protocol.ts";
import type { AttributeTypes } from "../rules/attribute_types.ts";
import type { RuleSet } from "../rules/rule_set.ts";

export interface GatewayOptions {
  /** Accepted for `/v1` as `Authorization: Bearer …` or `X-API-Key`. Empty = no key is needed. */
  readonly apiKeys: readonly string[];
  /** Largest request body, bytes. */
  readonly bodyBytesMax: number;
  /** Bodies of all requests in progress, bytes; a request that exceeds it is answered 429. */
  readonly bodiesBytesMax: number;
  /**
   * Time that one request may take from its arrival, body included, ms. Each ask carries the
   * remaining part of it.
   */
  readonly deadlineMs: number;
  /** Requests to `/v1` in progress; further ones are answered 429 at once. */
  readonly requestsInFlightMax: number;
  /**
   * How far a timestamp may lie ahead of this machine's clock, ms. One that lies far ahead would
   * close every joiner window.
   */
  readonly timestampAheadMsMax: number;
  /** Newest events remembered, so that a repeated one is answered `duplicate`. */
  readonly eventsRememberedMax: number;
  /**
   * Newest rankings remembered, so that an event for an unknown one is recognised; 7/8 of them
   * always are. The configuration derives it from the joiner's bound, so that the gateway knows
   * every ranking that the joiner holds.
   */
  readonly rankingsRememberedMax: number;
  /** Memory for the items of remembered rankings, bytes; at this bound the oldest are forgotten. */
  readonly rankingsBytesMax: number;
  /** Time for which gateways on Redis know rankings, and ids of events, of each other, ms. */
  readonly knownMs: number;
  /**
   * Treatment of an event whose ranking is not remembered here: `refuse` answers with a problem;
   * `accept` lets the joiner decide.
   */
  readonly unknownRankings: "refuse" | "accept";
  /** Time after a ranking in which its examples are decided, on the data clock, ms. */
  readonly windowMs: number;
  readonly eventsWithoutRanking: EventsWithoutRanking;
  /** Bounds of the value by action; an event outside is refused. Actions left out have none. */
  readonly valueBounds: Readonly<Record<string, ValueBounds>>;
  /** Types of the attributes that rules may read. */
  readonly attributeTypes: AttributeTypes;
  /** Actions of which histories are kept, for `exclude` and `rotation`. */
  readonly keptHistories: readonly string[];
  /** Rules by the name that a request may give as its `scenario`. */
  readonly scenarios: Readonly<Record<string, RuleSet>>;
  /** The scenario of requests that name none; absent = no rules. */
  readonly scenario?: string;
  /** Defaults of recommendations; absent = they are off. */
  readonly recommend?: {
    /** Items of each source that are ranked. */
    readonly candidates: number;
    readonly sources: readonly RequestedSource[];
    /** Sources that have an order. */
    readonly ordered: readonly RequestedSource[];
  };
  readonly erasure: {
    /** Time in which logs and snapshots drop the data of an erased user, ms. */
    readonly retentionMs: number;
    /** Interval at which logs are released meanwhile, ms. */
    readonly releaseMs: number;
  };
  /** Share of the requests without a trace of their caller whose spans are recorded, in [0, 1]. */
  readonly tracedShare: number;
  /** Serve the page to try the API at `/`. */
  readonly docsPage: boolean;
  /** Serve the console at `/console`. */
  readonly console: boolean;
}

/** Treatment of events that name no ranking. */
export interface EventsWithoutRanking {
  /** `lastShown`: goes to the newest ranking that showed the item to the user. */
  readonly match: "lastShown" | "none";
  /** Time after a ranking in which an event may go to it, ms. */
  readonly withinMs: number;
  /** Sampled items of a ranking that is made of an event without one; 0 = none is made. */
  readonly negatives: number;
  /** Share of the sampled items that are drawn from all known items alike, from 0 to 1. */
  readonly uniformShare: number;
  /** Items that the user of such an event is assumed to have seen. */
  readonly itemsSeen: number;
}

/** Range of an action's value, inclusive; infinite = unbounded on this side. */
export interface ValueBounds {
  readonly min: number;
  readonly max: number;
}

/** Candidates of one ranking. */
export const CANDIDATES_MAX = 500;

/** Boosts of one request. */
export const BOOSTS_MAX = 32;

/** Exclusions of one request. */
export const EXCLUDES_MAX = 16;

/** Pins of one request. */
export const PINS_MAX = 50;

/** Events of one batch. */
export const EVENTS_PER_BATCH_MAX = 1000;

/** Profiles of one list. */
export const PROFILES_PER_LIST_MAX = 1000;

/** Profiles of one page without a `limit`. */
export const PROFILES_PER_PAGE_DEFAULT = 100;
