/**
 * The feature keeper's configuration, as plain data: the features that it keeps, and its bounds.
 */

/** Events that a feature counts. */
export interface KeptEvent {
  /** The name of an action, or `shown`: an item of a ranking. */
  readonly action: string;
  /** Only actions of at least this value. */
  readonly atLeast?: number | undefined;
  /** Only actions below this value. */
  readonly below?: number | undefined;
}

/** The key of a feature. */
export type KeptBy = "user" | "item";

/** A user's newest items of an action, the newest first, each once. */
export interface KeptHistory {
  readonly kind: "history";
  readonly name: string;
  readonly action: string;
  /** Items at most. */
  readonly last: number;
}

/** Events within a sliding window. */
export interface KeptCount {
  readonly kind: "count";
  readonly name: string;
  readonly by: KeptBy;
  readonly of: KeptEvent;
  readonly windowMs: number;
}

/**
 * `(count(of) + rate · weight) / (count(per) + weight)` within a sliding window: the share of
 * events, drawn towards the prior while there are few.
 */
export interface KeptRate {
  readonly kind: "rate";
  readonly name: string;
  readonly by: KeptBy;
  readonly of: KeptEvent;
  readonly per: KeptEvent;
  readonly windowMs: number;
  readonly prior: { readonly rate: number; readonly weight: number };
}

/**
 * Events in the last window against the mean of eight windows: ln((1 + now) / (1 + mean)).
 */
export interface KeptTrend {
  readonly kind: "trend";
  readonly name: string;
  readonly by: KeptBy;
  readonly of: KeptEvent;
  readonly windowMs: number;
}

/** Hours since the last event; absent before the first. */
export interface KeptSince {
  readonly kind: "since";
  readonly name: string;
  readonly by: KeptBy;
  readonly of: KeptEvent;
}

/** A feature with a number for each key. */
export type KeptNumber = KeptCount | KeptRate | KeptTrend | KeptSince;

/** A feature that the keeper keeps. */
export type KeptFeature = KeptHistory | KeptNumber;

/** Features and bounds of the keepers. */
export interface FeatureKeeperOptions {
  readonly features: readonly KeptFeature[];
  /** This keeper, from 0. */
  readonly shard: number;
  /** Keepers; each has the users and items whose ids it is given by their hash. */
  readonly shards: number;
  /** Users of a keeper; the one without an event for longest is forgotten. */
  readonly usersMax: number;
  /** Items of a keeper; the one without an event for longest is forgotten. */
  readonly itemsMax: number;
  /** Newest rankings whose user is remembered, for the actions on them. */
  readonly rankingsMax: number;
  /** Least time between checkpoints, ms; 0 = none, where the log does not outlive the process. */
  readonly checkpointMs: number;
}
