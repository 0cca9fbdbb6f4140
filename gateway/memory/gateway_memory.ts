/**
 * The state that a gateway keeps between requests: recent rankings, recent events and the
 * acceptance clock. After a restart {@link LogRecall} fills it from the event log.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import { ItemPool } from "../../structures/item_pool.ts";
import type { GatewayOptions } from "../options.ts";
import { AcceptanceClock } from "./acceptance_clock.ts";
import { RecentEvents } from "./recent_events.ts";
import { RecentRankings } from "./recent_rankings.ts";
import {
  isInTime,
  isServed,
  type UserEvent,
  type UserRanking,
  UserRankings,
} from "./user_rankings.ts";

/** Newest events among whose items negatives are sampled. */
const POOL_EVENTS_MAX = 10_000;
/** Distinct items among which the other negatives are sampled. */
const POOL_ITEMS_MAX = 100_000;

export class GatewayMemory {
  readonly events: RecentEvents;
  readonly rankings: RecentRankings;
  /** The same rankings by user. */
  readonly userRankings: UserRankings;
  /** Items of accepted events. */
  readonly items: ItemPool;
  readonly acceptanceClock: AcceptanceClock;
  /**
   * Whether a ranking that is not remembered is unknown. False while the log is being read back:
   * then it may be one of the log, and the joiner decides.
   */
  isComplete = true;
  /** Rankings that were answered before the event log had them. */
  rankingsUnlogged = 0;

  constructor(clock: Clock, options: GatewayOptions) {
    this.events = new RecentEvents(options.eventsRememberedMax);
    this.rankings = new RecentRankings({
      rankingsMax: options.rankingsRememberedMax,
      bytesMax: options.rankingsBytesMax,
    });
    this.userRankings = new UserRankings(options.rankingsRememberedMax);
    this.items = new ItemPool({
      eventsMax: POOL_EVENTS_MAX,
      itemsMax: POOL_ITEMS_MAX,
      uniformShare: options.eventsWithoutRanking.uniformShare,
    });
    this.acceptanceClock = new AcceptanceClock(clock);
  }

  /**
   * The newest ranking that showed the item of an event to its user, less than `withinMs` before
   * it, and that `suits` accepts.
   */
  rankingBefore(
    event: UserEvent,
    withinMs: number,
    suits: (ranking: UserRanking) => boolean,
  ): UserRanking | undefined {
    return this.userRankings.find(
      event.user,
      (ranking) =>
        isInTime(event, ranking, withinMs) &&
        this.rankings.check(ranking.rankingId, event.item) === "shown" && suits(ranking),
    );
  }

  /** Such rankings that were served, newest first; at most `max`. */
  servedBefore(event: UserEvent, withinMs: number, max: number): UserRanking[] {
    const served: UserRanking[] = [];
    this.rankingBefore(event, withinMs, (ranking) => {
      if (isServed(ranking)) served.push(ranking);
      return served.length === max;
    });
    return served;
  }

  /** Forgets the rankings of an erased user; returns their ids. */
  forget(user: string): readonly string[] {
    const rankingIds = this.userRankings.forget(user);
    for (const rankingId of rankingIds) this.rankings.forget(rankingId);
    return rankingIds;
  }
}
