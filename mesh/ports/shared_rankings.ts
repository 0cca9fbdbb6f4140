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

/** Retries of a client that waits as long as it is asked to, and no longer than that each time. */
const CLIENT_RETRIES = 5;
const CLIENT_WAIT_S_MAX = 30;

/** Rankings cannot be read, and may exist all the same: their store does not answer. */
export class RankingsUnreadError extends Error {
  override readonly name: string = "RankingsUnreadError";
  readonly isAway = true;

  /** @param rankings The store in words. */
  constructor(rankings: string, remedy: string, cause: Error) {
    super(`Cannot read ${rankings}: ${cause.message.replace(/\.$/, "")}. ${remedy}`, { cause });
  }
}

/** Rankings are not there, and other gateways may still append or write them. */
export class RankingsAwaitedError extends RankingsUnreadError {
  override readonly name = "RankingsAwaitedError";
  /** Time after which to send the request again, so that a client's retries outlast the wait, s. */
  readonly retryAfterSeconds: number;

  /**
   * @param rankings The store in words.
   * @param awaitedMs Time for which they are awaited from its beginning, ms.
   */
  constructor(rankings: string, awaitedMs: number) {
    super(
      rankings,
      "Send the request again in some seconds: other hosts may still write the rankings that they " +
        "made while Redis was away, or that it has lost.",
      new Error("this host came to the server, or to another run of it, a moment ago"),
    );
    const share = Math.ceil(awaitedMs / 1_000 / CLIENT_RETRIES);
    this.retryAfterSeconds = Math.min(CLIENT_WAIT_S_MAX, share);
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
   * Makes rankings of other gateways readable here. Never fails.
   *
   * @returns By id, why rankings that cannot be read may exist all the same: the store is away
   * ({@link RankingsUnreadError}), it has perhaps lost them a moment ago, and their gateways may
   * append them again ({@link RankingsAwaitedError}), or it takes no writes: the event log takes
   * none, as `EventLog.refusal` says, or its server has no memory.
   */
  load(rankingIds: readonly string[]): Promise<ReadonlyMap<string, Error>>;
  /**
   * Appends records of events to a partition of the event log, as `EventLog.appendOnce` does, in a
   * step that finds the log to have rankings of other gateways: a failover may have lost one since
   * it was loaded, and left it as one that the log did not take. Waits for one that its gateway may
   * append again.
   *
   * @param rankingIds Rankings of other gateways that the events belong to; all are loaded as ones
   * that the log has.
   * @throws {LogUnavailableError} Besides other reasons: the log does not have one of the rankings.
   * The next {@link load} tells whether it exists.
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
