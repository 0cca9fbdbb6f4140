/**
 * The newest rankings, events and refusals, for the console's live view: the answer to "what did
 * this user get, and when did the scores learn from it".
 *
 * It keeps a sample: at most some of each kind a second, so that it costs a busy server nothing.
 */
import type { Ranking } from "../../actors/ranker/protocol.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import { isSampled, type TraceContext, traceIdOf } from "../../mesh/ports/tracing.ts";

/** Entries of each kind at most. */
const ENTRIES_MAX = 100;
/** Entries of each kind that are taken in a second; refusals are counted beyond it. */
const PER_SECOND_MAX = 10;
/** Items of a ranking that its entry has. */
const ITEMS_MAX = 10;

/** A ranking as it was answered. */
export interface RankingSeen {
  readonly rankingId: string;
  readonly user: string;
  /** Wall time, ms. */
  readonly atMs: number;
  readonly tookMs: number;
  readonly modelVersion: number;
  /** Number of all items. */
  readonly itemCount: number;
  /** The first items, best first. */
  readonly items: readonly { readonly id: string; readonly score: number }[];
  /** Undefined where its spans are not recorded. */
  readonly traceId: string | undefined;
}

/** An accepted event. */
export interface EventSeen {
  readonly eventId: string;
  readonly rankingId: string | undefined;
  readonly item: string;
  readonly action: string;
  readonly acceptedAtMs: number;
  /**
   * When an answer first had scores that had learned from everything accepted until then; undefined
   * while none had.
   */
  readonly knownAtMs: number | undefined;
}

/** A request, or an event of a list, that was refused. */
export interface RefusalSeen {
  readonly atMs: number;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** Kind of the problem, as in `/problems/{kind}`. */
  readonly kind: string;
  readonly detail: string;
  /** Refusals since the one before that were not taken. */
  readonly leftOut: number;
}

/** The entries of all kinds, newest first. */
export interface ActivitySeen {
  readonly rankings: readonly RankingSeen[];
  readonly events: readonly EventSeen[];
  readonly refusals: readonly RefusalSeen[];
}

export class Activity {
  readonly #clock: Clock;
  readonly #rankings = new NewestEntries<RankingSeen>();
  readonly #events = new NewestEntries<{ -readonly [K in keyof EventSeen]: EventSeen[K] }>();
  readonly #refusals = new NewestEntries<RefusalSeen>();
  /** Events that no answer has known yet, at most. */
  #unknown = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param ranking As the ranker answered it.
   * @param trace A ranking whose spans are recorded is shown in any case.
   */
  ranked(user: string, ranking: Ranking, tookMs: number, trace?: TraceContext): void {
    if (this.#unknown > 0) this.#learn(ranking.learnedThroughMs);
    const atMs = this.#clock.nowMs();
    const isTraced = isSampled(trace);
    if (!this.#rankings.take(atMs) && !isTraced) return;
    const { rankingId, modelVersion, items } = ranking;
    this.#rankings.add({
      rankingId,
      user,
      atMs,
      tookMs,
      modelVersion,
      itemCount: items.length,
      items: items.slice(0, ITEMS_MAX).map(({ id, score }) => ({ id, score })),
      traceId: isTraced ? traceIdOf(trace) : undefined,
    });
  }

  accepted({ eventId, rankingId, item, action, acceptedAtMs }: Omit<EventSeen, "knownAtMs">): void {
    if (!this.#events.take(this.#clock.nowMs())) return;
    this.#events.add({ eventId, rankingId, item, action, acceptedAtMs, knownAtMs: undefined });
    this.#unknown++;
  }

  refused(refusal: Omit<RefusalSeen, "atMs" | "leftOut">): void {
    const atMs = this.#clock.nowMs();
    if (!this.#refusals.take(atMs)) return;
    this.#refusals.add({ ...refusal, atMs, leftOut: this.#refusals.takeLeftOut() });
  }

  /**
   * Drops the rankings of an erased user, and the events on them.
   *
   * @param rankingIds Rankings of the user that may have no entry here.
   */
  forget(user: string, rankingIds: readonly string[]): void {
    const rankings = new Set<string | undefined>(rankingIds);
    for (const ranking of this.#rankings) {
      if (ranking.user === user) rankings.add(ranking.rankingId);
    }
    this.#rankings.remove(({ rankingId }) => rankings.has(rankingId));
    this.#events.remove(({ rankingId }) => rankings.has(rankingId));
  }

  read(): ActivitySeen {
    return {
      rankings: this.#rankings.newestFirst(),
      events: this.#events.newestFirst(),
      refusals: this.#refusals.newestFirst(),
    };
  }

  #learn(learnedThroughMs: number): void {
    let unknown = 0;
    for (const event of this.#events) {
      if (event.knownAtMs !== undefined) continue;
      if (event.acceptedAtMs <= learnedThroughMs) event.knownAtMs = this.#clock.nowMs();
      else unknown++;
    }
    this.#unknown = unknown;
  }
}

/** The newest {@link ENTRIES_MAX} entries, of at most {@link PER_SECOND_MAX} a second. */
class NewestEntries<E> {
  readonly #entries: E[] = [];
  #next = 0;
  #second = 0;
  #takenInSecond = 0;
  #leftOut = 0;

  /** Whether an entry at this time is taken. */
  take(atMs: number): boolean {
    const second = Math.floor(atMs / 1000);
    if (second !== this.#second) [this.#second, this.#takenInSecond] = [second, 0];
    if (this.#takenInSecond >= PER_SECOND_MAX) {
      this.#leftOut++;
      return false;
    }
    this.#takenInSecond++;
    return true;
  }

  add(entry: E): void {
    this.#entries[this.#next] = entry;
    this.#next = (this.#next + 1) % ENTRIES_MAX;
  }

  /** Entries left out since the last call. */
  takeLeftOut(): number {
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }

  /** Removes entries; the others keep their order. */
  remove(is: (entry: E) => boolean): void {
    const kept = this.newestFirst().reverse().filter((entry) => !is(entry));
    this.#entries.splice(0, this.#entries.length, ...kept);
    this.#next = kept.length % ENTRIES_MAX;
  }

  newestFirst(): E[] {
    const { length } = this.#entries;
    return Array.from({ length }, (_, i) => this.#entries[(this.#next - 1 - i + length) % length]);
  }

  [Symbol.iterator](): Iterator<E> {
    return this.#entries.values();
  }
}
