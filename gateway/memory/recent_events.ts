/**
 * Remembers the newest event ids and their acceptance times, because clients retry, often while the
 * first attempt is still being written. The joiner deduplicates again, over its whole window.
 */
import { RecentMap } from "../../structures/recent_map.ts";

export class RecentEvents {
  /** Acceptance time, ms, or the acceptance in progress. */
  readonly #acceptedAtMs: RecentMap<string, number | Promise<number>>;

  constructor(eventsMax: number) {
    this.#acceptedAtMs = new RecentMap(eventsMax);
  }

  get size(): number {
    return this.#acceptedAtMs.size;
  }

  /** Acceptance time, or the acceptance in progress; undefined for an unknown event. */
  find(eventId: string): number | Promise<number> | undefined {
    return this.#acceptedAtMs.get(eventId);
  }

  /**
   * Remembers an event that is being written. When `acceptance` resolves, the event is accepted;
   * when it rejects, the event is forgotten, so that a retry is a new attempt.
   */
  begin(eventId: string, acceptance: Promise<number>): void {
    this.#acceptedAtMs.set(eventId, acceptance);
    const isUnchanged = () => this.#acceptedAtMs.get(eventId) === acceptance;
    acceptance.then(
      (acceptedAtMs) => {
        if (isUnchanged()) this.#acceptedAtMs.set(eventId, acceptedAtMs);
      },
      () => {
        if (isUnchanged()) this.#acceptedAtMs.delete(eventId);
      },
    );
  }

  /** Remembers an event that the log holds from before a restart. */
  recall(eventId: string, acceptedAtMs: number): void {
    this.#acceptedAtMs.set(eventId, acceptedAtMs);
  }
}
