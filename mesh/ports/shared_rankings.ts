/**
 * Rankings that any gateway of a mesh has answered, so that an event may go to another one.
 */
import type { OnceOutcome, OnceRecord } from "./event_log.ts";

/** Result of looking a ranking and one of its items up. */
export type RankingLookup = "shown" | "item-not-shown" | "unknown-ranking";

/**
 * An item that a ranking has besides its own where the event log did not take it. The ids of
 * clients have no control characters.
 */
export const UNLOGGED_ITEM = "\0unlogged";

/** The item in its place after the event log has taken the ranking later. */
export const LOGGED_LATE_ITEM = "\0logged";

/** A ranking as the event log gets it. */
export interface RankingRecord {
  readonly rankingId: string;
  /** The items that it shows. */
  readonly items: readonly { readonly id: string }[];
  /** The record of the event log. */
  readonly bytes: Uint8Array;
}

/** Another ranking has the id of one that was to be appended. */
export class RankingExistsError extends Error {
  override readonly name = "RankingExistsError";
  constructor(readonly rankingId: string) {
    super(
      `Cannot rank as "${rankingId}": a ranking of this id was served. Leave rankingId out, or ` +
        "send a new one.",
    );
  }
}

/** Rankings by id, stored as long as the joiner may hold them. */
export interface SharedRankings {
  /**
   * Appends a ranking to a partition of the event log, as `written`. The step that appends it also
   * makes its items known to the other gateways, so that they know each ranking of the log.
   *
   * @returns Its offset.
   * @throws {RankingExistsError} The log has a ranking of this id.
   * @throws As `EventLog.append` does.
   */
  append(partition: number, ranking: RankingRecord): Promise<number>;
  /**
   * Replaces the items of a ranking that the event log did not take, or took later. Resolves when
   * other gateways can find it, or cannot because the store is away: it never fails. A ranking that
   * they cannot find yet is written as soon as the store answers.
   */
  remember(rankingId: string, items: readonly { readonly id: string }[]): Promise<void>;
  /**
   * Makes rankings of other gateways readable here.
   *
   * @throws {LogUnavailableError} The store is away, or was a moment ago: whether the rankings
   * exist is unknown.
   * @throws {LogTailLostError} The event log takes no rankings, as `EventLog.refusal` says, and not
   * all that are asked for are there.
   */
  load(rankingIds: readonly string[]): Promise<void>;
  /**
   * Appends records of events to a partition of the event log, as `EventLog.appendOnce` does, in a
   * step that finds the rankings of other gateways: a failover may have lost one since it was
   * loaded. Waits for one that its gateway may append again.
   *
   * @param rankingIds Rankings of other gateways that the events belong to; all are loaded.
   * @throws {LogUnavailableError} Besides other reasons: one of the rankings is not there. The next
   * {@link load} tells whether it exists.
   */
  appendOnce(
    partition: number,
    records: readonly OnceRecord[],
    rankingIds: readonly string[],
  ): Promise<OnceOutcome[]>;
  /** Rankings of this gateway that the others cannot find yet. */
  readonly unshared: number;
  /** Rankings since the start that the others will never find: too many waited. */
  readonly givenUp: number;
  /** Ends the attempts to write rankings that wait. */
  close(): void;
  /** Compares an item with a ranking that was loaded. A collision of hashes may say `shown`. */
  check(rankingId: string, item: string): RankingLookup;
}
