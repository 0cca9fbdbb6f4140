/**
 * The messages of a row feed, which takes the rows of a serving host's replicas from the shards.
 */
import type { Address, Request } from "../../mesh/runtime/actor.ts";

/** Takes news from every shard from now on; the feed's own. */
export interface Begin {
  readonly kind: "begin";
}

/** Offers the scorer the replicas of this sharding, where it uses earlier ones; its own timer. */
export interface OfferReplicas {
  readonly kind: "offerReplicas";
}

/**
 * A replica or the scorer has started: it needs rows, or its mark. The feed notices that also where
 * it is not told.
 */
export interface ServingStarted {
  readonly kind: "servingStarted";
  readonly part: Address;
}

/** The freshness of the rows served on this host, and the work of the feed since its start. */
export interface RowFeedStatus {
  /**
   * Every decided event accepted up to this wall time is served by this host, ms. Falls to 0 when a
   * shard or the feed restarts, until all trainers have reported their marks. Infinity where the
   * host holds no replica.
   */
  readonly learnedThroughMs: number;
  readonly deltas: number;
  readonly rows: number;
  readonly bytes: number;
  readonly gaps: number;
  /**
   * Rounds in which every replica got all rows of a moment after the round before; Infinity where
   * the host holds none.
   */
  readonly roundsComplete: number;
  /** Sequence of the newest delta in each replica; 0 before the first. */
  readonly sequences: readonly number[];
}

/** Asks for {@link RowFeedStatus}. */
export interface GetRowFeedStatus extends Request<RowFeedStatus> {
  readonly kind: "getStatus";
}

/** The protocol of a row feed. */
export type RowFeedMessage = Begin | OfferReplicas | ServingStarted | GetRowFeedStatus;
