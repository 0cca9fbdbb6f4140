/**
 * The newest rankings of each user, so that an event without a ranking id finds the ranking that
 * showed its item.
 *
 * Rankings lie in a ring in the order of the log. Each points to the user's ranking before it, and
 * a map has the newest one of each user. Rankings of the log that are recalled after a restart are
 * added at the old end.
 */
import { type Fingerprint, fingerprintOf } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";

/** A ranking of a user. */
export interface UserRanking {
  readonly rankingId: string;
  /** Time of the ranking on the data clock, ms. */
  readonly atMs: number;
}

/** An event that names its user and no ranking. */
export interface UserEvent {
  readonly user: string;
  readonly item: string;
  /** When it happened, ms since the Unix epoch. */
  readonly atMs: number;
}

/** Begins the ids of rankings that are made of events. */
export const MADE = "unranked-";

/** Whether a ranking was served, and not made of an event. */
export function isServed({ rankingId }: UserRanking): boolean {
  return !rankingId.startsWith(MADE);
}

/** Whether an event came after a ranking, less than `withinMs` later. */
export function isInTime(
  { atMs }: Pick<UserEvent, "atMs">,
  ranking: UserRanking,
  withinMs: number,
): boolean {
  const afterMs = atMs - ranking.atMs;
  return afterMs >= 0 && afterMs < withinMs;
}

/** Rankings of one user that a search visits. */
const VISITED_MAX = 64;

/** Bounds the memory to 32 bytes for each of so many rankings, and their ids. */
const RANKINGS_MAX = 2 ** 22;

/** Numbers of rankings begin here, so that older ones can be added before. */
const FIRST = 2 ** 40;
const NONE = 0;

export class UserRankings {
  readonly #rankingsMax: number;
  readonly #newestOf = new FingerprintMap();
  readonly #oldestOf = new FingerprintMap();
  /** By number modulo `#rankingsMax`. */
  readonly #ids: string[];
  readonly #atMs: Float64Array;
  readonly #previous: Float64Array;
  /** Fingerprints, two words each, the lower one first. */
  readonly #users: Uint32Array;
  /** Number of the oldest ranking, and the number after the newest. */
  #oldest = FIRST;
  #end = FIRST;

  /** @param rankingsMax Rankings that are remembered; at most 2^22 are. */
  constructor(rankingsMax: number) {
    const rankings = Math.min(rankingsMax, RANKINGS_MAX);
    this.#rankingsMax = rankings;
    this.#ids = Array.from({ length: rankings }, () => "");
    this.#atMs = new Float64Array(rankings);
    this.#previous = new Float64Array(rankings);
    this.#users = new Uint32Array(2 * rankings);
  }

  get size(): number {
    return this.#end - this.#oldest;
  }

  /** Adds the newest ranking; forgets the oldest if there is no room. */
  remember(user: string, ranking: UserRanking): void {
    if (this.#rankingsMax === 0) return;
    if (this.size === this.#rankingsMax) this.#forgetOldest();
    const number = this.#end++;
    const fingerprint = fingerprintOf(user);
    this.#put(number, fingerprint, ranking, this.#newestOf.get(fingerprint) ?? NONE);
    this.#newestOf.set(fingerprint, number);
    if (!this.#oldestOf.has(fingerprint)) this.#oldestOf.set(fingerprint, number);
  }

  /**
   * Adds a ranking of the log as older than all others.
   *
   * @returns False when there is no room.
   */
  recallOlder(user: string, ranking: UserRanking): boolean {
    if (this.size >= this.#rankingsMax) return false;
    const number = --this.#oldest;
    const fingerprint = fingerprintOf(user);
    const later = this.#oldestOf.get(fingerprint);
    this.#put(number, fingerprint, ranking, NONE);
    if (later === undefined) this.#newestOf.set(fingerprint, number);
    else this.#previous[later % this.#rankingsMax] = number;
    this.#oldestOf.set(fingerprint, number);
    return true;
  }

  /** The user's newest ranking that `shows` accepts, among the newest 64. */
  find(user: string, shows: (ranking: UserRanking) => boolean): UserRanking | undefined {
    let number = this.#newestOf.get(fingerprintOf(user)) ?? NONE;
    for (let visited = 0; visited < VISITED_MAX && number >= this.#oldest; visited++) {
      const cell = number % this.#rankingsMax;
      const ranking = { rankingId: this.#ids[cell], atMs: this.#atMs[cell] };
      if (shows(ranking)) return ranking;
      number = this.#previous[cell];
    }
    return undefined;
  }

  /** Forgets all rankings of a user; returns their ids. */
  forget(user: string): string[] {
    const fingerprint = fingerprintOf(user);
    const forgotten: string[] = [];
    let number = this.#newestOf.get(fingerprint) ?? NONE;
    while (number >= this.#oldest) {
      const cell = number % this.#rankingsMax;
      forgotten.push(this.#ids[cell]);
      number = this.#previous[cell];
      this.#ids[cell] = "";
      this.#users.fill(0, 2 * cell, 2 * cell + 2);
    }
    this.#newestOf.delete(fingerprint);
    this.#oldestOf.delete(fingerprint);
    return forgotten;
  }

  #put(number: number, user: Fingerprint, ranking: UserRanking, previous: number): void {
    const cell = number % this.#rankingsMax;
    this.#ids[cell] = ranking.rankingId;
    this.#atMs[cell] = ranking.atMs;
    this.#previous[cell] = previous;
    this.#users[2 * cell] = user.low;
    this.#users[2 * cell + 1] = user.high;
  }

  #forgetOldest(): void {
    const number = this.#oldest++;
    const cell = number % this.#rankingsMax;
    const user = { low: this.#users[2 * cell], high: this.#users[2 * cell + 1] };
    // A user's next ranking still points to this one, and the search ends there by its number.
    if (this.#newestOf.get(user) === number) this.#newestOf.delete(user);
    this.#oldestOf.delete(user);
  }
}
