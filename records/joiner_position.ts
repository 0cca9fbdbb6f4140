import type { ActionRecord } from "./event_record.ts";

/**
 * The joiner's position in the event log, stored with each chunk of examples that it writes.
 *
 * The joiner's memory is a function of the event log, so a restart needs this position and nothing
 * else: it reads again from `replayOffset`, and drops the examples that were decided before
 * `eventOffset` and the first `rowsAfter` ones after it.
 *
 *     event log  ──┬───────────────────┬────────────────────┬──────────────▶
 *             retained.offset      replayOffset         eventOffset
 *                  │ decided           │ open               │ rowsAfter examples
 *                  │ impressions, for  │ impressions,       │ of these records are
 *                  │ late labels       │ among decided ones │ in the example log
 *
 * Impressions that were open when an earlier partitioning ended are carried over to the joiners of
 * the next one. They have the offsets below 0, and are rebuilt from the logs of that partitioning.
 */
export interface JoinerPosition {
  /** Examples that were decided by records before this offset are in the example log. */
  readonly eventOffset: number;
  /** Reading from this offset rebuilds every impression that was open; at most `eventOffset`. */
  readonly replayOffset: number;
  /** The data clock at `replayOffset`, ms. */
  readonly replayClockMs: number;
  /**
   * Where the oldest impression lay that was open for another partition, if that is before
   * `replayOffset`: this partition had its own examples of the impressions in between.
   */
  readonly openFrom?: {
    readonly offset: number;
    /** The data clock at `offset`, ms. */
    readonly clockMs: number;
  };
  /**
   * Examples in the example log beyond `eventOffset`: the first ones of this partition that are
   * decided after this position. Above 0 where a chunk was full in the middle of an impression.
   */
  readonly rowsAfter: number;
  /**
   * Where reading must begin to rebuild also the decided impressions that are retained for late
   * labels; absent where none are.
   */
  readonly retained?: {
    /** At most `replayOffset`. */
    readonly offset: number;
    /** The data clock at `offset`, ms. */
    readonly clockMs: number;
  };
  /** Positive labels before `eventOffset`; absent where late ones are not learned from. */
  readonly positives?: PositiveCounts;
  /** Actions that came before their ranking; absent if none are held. */
  readonly early?: readonly EarlyAction[];
}

/** An action that came before its ranking. */
export interface EarlyAction
  extends Pick<ActionRecord, "eventId" | "rankingId" | "item" | "action" | "value"> {
  readonly acceptedAtMs: number;
  /** Offset of the ranking, once it has come. */
  readonly rankingOffset?: number;
}

/** Positive labels of a task, by the time of their coming. */
export interface PositiveCounts {
  /** Before the example was decided. */
  readonly inTime: number;
  /** After it. */
  readonly late: number;
}
