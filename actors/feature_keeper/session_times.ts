/**
 * The sessions of a user, one for each gap that features declare. A session ends when no event has
 * come for its gap; the next event begins another.
 */
export class SessionTimes {
  /** The declared gaps, ms, in ascending order. */
  readonly #gaps: readonly number[];

  constructor(gapsMs: Iterable<number>) {
    this.#gaps = [...new Set(gapsMs)].sort((a, b) => a - b);
  }

  /** Length of a user's times. */
  get length(): number {
    return 2 * this.#gaps.length;
  }

  /** The times of a user without events: begin and last event of each session. */
  create(): number[] {
    return Array.from({ length: this.length }, () => -Infinity);
  }

  /** The index of sessions with this gap; -1 for a gap that no feature declares. */
  indexOf(gapMs: number): number {
    return this.#gaps.indexOf(gapMs);
  }

  /** Takes note of an event. An event that is older than the session changes nothing. */
  add(times: number[], atMs: number): void {
    for (let i = 0; i < this.#gaps.length; i++) {
      const last = times[2 * i + 1];
      if (atMs > last + this.#gaps[i]) times[2 * i] = atMs;
      if (atMs > last) times[2 * i + 1] = atMs;
    }
  }

  /**
   * Begin of the session that a moment belongs to, ms; Infinity if the user has none then.
   *
   * @param times Undefined = a user without events.
   * @param session From {@link indexOf}.
   */
  beginOf(times: readonly number[] | undefined, session: number, atMs: number): number {
    if (times === undefined || atMs > times[2 * session + 1] + this.#gaps[session]) return Infinity;
    return times[2 * session];
  }
}
