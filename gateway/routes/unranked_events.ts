/**
 * Events that name no ranking: a purchase from a search, a mail or an application.
 *
 * An event goes to the newest ranking that showed its item to its user. Where none did, a ranking
 * is made of it: its item among sampled items. The decision is part of the records that are logged,
 * so that the joiner's output remains a function of the log.
 */
import type { DescribeItems } from "../../actors/ranker/protocol.ts";
import type { RandomStream } from "../../mesh/ports/random.ts";
import { logSampleRateOf } from "../../records/sampled_items.ts";
import {
  isInTime,
  isServed,
  MADE,
  type UserEvent,
  type UserRanking,
} from "../memory/user_rankings.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import { isUnlogged } from "./unlogged_rankings.ts";

export interface UnrankedEvent extends UserEvent {
  readonly eventId: string;
  readonly action: string;
  readonly value?: number | undefined;
}

/** The ranking of an event that named none. */
export type Attribution =
  /** A ranking that was served, or that was made of an earlier event. */
  | {
    readonly kind: "shown";
    readonly rankingId: string;
    /** Resolves when the log has the ranking; absent where it has it. */
    readonly logged?: Promise<void>;
  }
  /** A ranking that is made of this event; the log gets its record with the event. */
  | {
    readonly kind: "made";
    readonly rankingId: string;
    readonly impression: Promise<Uint8Array>;
    /** Whether a ranking showed the item, but the log does not have it. */
    readonly isUnlogged: boolean;
  }
  /** No ranking, and nothing to learn. `rankingId` is unknown to the joiner. */
  | { readonly kind: "none"; readonly rankingId: string };

export class UnrankedEvents {
  readonly #parts: GatewayParts;
  readonly #random: RandomStream;
  /** Rankings that are being made, by id. */
  readonly #making = new Map<string, Promise<void>>();

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#random = parts.random.stream("gateway/negatives");
  }

  /**
   * Decides on an event's ranking and remembers it.
   *
   * @param ofOthers Rankings of which other gateways know that they showed the item to the user,
   * newest first; they were loaded.
   * @throws {ProblemError} `not-ready` while rankings are read back from the log.
   */
  attribute(event: UnrankedEvent, ofOthers: readonly UserRanking[] = []): Attribution {
    const { memory, options, labels } = this.#parts;
    if (!memory.isComplete) {
      throw new ProblemError(
        "not-ready",
        `Cannot attribute event "${event.eventId}" yet: rankings are being read back from the ` +
          "event log after a restart. Send it again with the same eventId.",
      );
    }
    const { negatives } = options.eventsWithoutRanking;
    const isPositive = labels === undefined || labels.isPositive(event.action, event.value);
    const mayBeMade = negatives > 0 && isPositive;
    const newest = this.#lastShown(event, ofOthers);
    const shown = mayBeMade
      ? this.#lastShown(event, ofOthers, (ranking) => this.#isLearned(ranking, event.atMs))
      : newest;
    if (shown !== undefined) {
      const logged = this.#making.get(shown.rankingId);
      return { kind: "shown", rankingId: shown.rankingId, ...(logged && { logged }) };
    }
    if (!mayBeMade) {
      return { kind: "none", rankingId: `${MADE}none-${event.eventId}`.slice(0, ID_MAX) };
    }
    return { ...this.#make(event), isUnlogged: newest !== undefined };
  }

  /**
   * The rankings that showed an item to a user and that the log had not taken, as far as they are
   * newer than one that it has: another gateway may know that it took them later.
   */
  unloggedOf(user: string, item: string): string[] {
    const { memory } = this.#parts;
    const unlogged: string[] = [];
    memory.userRankings.find(user, ({ rankingId }) => {
      if (memory.rankings.check(rankingId, item) !== "shown") return false;
      if (!isUnlogged(rankingId, this.#parts)) return true;
      unlogged.push(rankingId);
      return false;
    });
    return unlogged;
  }

  /**
   * Lets later events on a ranking wait for this append, so that the log has its record first. If
   * the append of a ranking that is made fails, they fail too.
   */
  follow({ kind, rankingId }: Attribution, appending: Promise<void>): void {
    this.#making.set(rankingId, appending);
    const settle = () => {
      if (this.#making.get(rankingId) === appending) this.#making.delete(rankingId);
    };
    appending.then(settle, () => {
      settle();
      if (kind === "made") this.#parts.memory.rankings.forget(rankingId);
    });
  }

  /** Whether the log has a ranking, or may still take it now, whatever the time of the event. */
  #isLearned({ rankingId, atMs: shownAtMs }: UserRanking, atMs: number): boolean {
    const nowMs = Math.max(atMs, this.#parts.clock.nowMs());
    return nowMs - shownAtMs < LATE_MS_MAX || !isUnlogged(rankingId, this.#parts);
  }

  /** The newest ranking that showed the item, or that was made of an earlier event on it. */
  #lastShown(
    event: UnrankedEvent,
    ofOthers: readonly UserRanking[],
    suits: (ranking: UserRanking) => boolean = () => true,
  ): UserRanking | undefined {
    const { memory, sharedRankings, options: { eventsWithoutRanking } } = this.#parts;
    const { match, withinMs } = eventsWithoutRanking;
    const own = memory.rankingBefore(
      event,
      withinMs,
      (ranking) => (match !== "none" || !isServed(ranking)) && suits(ranking),
    );
    const other = ofOthers.find((each) =>
      // The store may have lost one that its gateway still knows.
      sharedRankings?.check(each.rankingId, event.item) === "shown" &&
      isInTime(event, each, withinMs) && suits(each)
    );
    return own === undefined || other !== undefined && other.atMs > own.atMs ? other : own;
  }

  #make({ user, item, atMs }: UnrankedEvent) {
    const { memory, options, ranker, random, storedItems } = this.#parts;
    const { negatives, itemsSeen } = options.eventsWithoutRanking;
    storedItems?.begin();
    const rankingId = `${MADE}${random.uuid("gateway/rankings")}`;
    const sampled = memory.items.sample(
      negatives,
      (other) => other === item,
      () => this.#random.nextFloat(),
    );
    const request: DescribeItems = {
      kind: "describeItems",
      rankingId,
      user,
      atMs,
      items: [item, ...sampled],
      logSampleRate: logSampleRateOf(1, sampled.length, itemsSeen),
    };
    // Sampled items were not shown: only the event's own item finds this ranking again.
    memory.rankings.remember(rankingId, [{ id: item }], atMs);
    memory.userRankings.remember(user, { rankingId, atMs });
    const impression = ranker.ask(request, { budgetMs: options.deadlineMs });
    return { kind: "made" as const, rankingId, impression };
  }
}

/** Time after a ranking within which the log may still take it, ms; it tries for five seconds. */
const LATE_MS_MAX = 10_000;
const ID_MAX = 256;
