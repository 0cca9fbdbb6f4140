/**
 * Clients retry, so the same event arrives twice, often while the first is still being written. This remembers the
 * newest event ids and when each was accepted; the joiner deduplicates again, over its whole window.
 */
import { RecentMap } from "../../structures/recent_map.ts";

export class RecentEvents {
  /** Accepted at (ms), or the acceptance that is under way. */
  readonly #acceptedAtMs: RecentMap<string, number | Promise<number>>;

  constructor(eventsMax: number) {
    this.#acceptedAtMs = new RecentMap(eventsMax);
  }

  get size(): number {
    return this.#acceptedAtMs.size;
  }

  /** When this event was accepted, or the acceptance under way; undefined for one that was not seen. */
  find(eventId: string): number | Promise<number> | undefined {
    return this.#acceptedAtMs.get(eventId);
  }

  /**
   * Remembers an event while it is written: once `acceptance` resolves, as accepted; if it rejects, not at all, so
   * that a retry is a new attempt.
   */
  begin(eventId: string, acceptance: Promise<number>): void {
    this.#acceptedAtMs.set(eventId, acceptance);
    const isStillOurs = () => this.#acceptedAtMs.get(eventId) === acceptance;
    acceptance.then(
      (acceptedAtMs) => {
        if (isStillOurs()) this.#acceptedAtMs.set(eventId, acceptedAtMs);
      },
      () => {
        if (isStillOurs()) this.#acceptedAtMs.delete(eventId);
      },
    );
  }

  /** Remembers an event that the log already holds. */
  recall(eventId: string, acceptedAtMs: number): void {
    this.#acceptedAtMs.set(eventId, acceptedAtMs);
  }
}
