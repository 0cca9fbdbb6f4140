/**
 * Clients retry, so the same event arrives twice, often while the first is still being written. This remembers the
 * newest event ids and when each was accepted; the joiner deduplicates again, over its whole window.
 */
export class RecentEvents {
  /** Accepted at (ms), or the acceptance that is under way. In order of arrival. */
  readonly #acceptedAtMs = new Map<string, number | Promise<number>>();
  readonly #eventsMax: number;

  constructor(eventsMax: number) {
    this.#eventsMax = eventsMax;
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
    this.#set(eventId, acceptance);
    acceptance.then(
      (acceptedAtMs) => {
        if (this.#acceptedAtMs.get(eventId) === acceptance) {
          this.#acceptedAtMs.set(eventId, acceptedAtMs);
        }
      },
      () => {
        if (this.#acceptedAtMs.get(eventId) === acceptance) this.#acceptedAtMs.delete(eventId);
      },
    );
  }

  /** Remembers an event that the log already holds. */
  recall(eventId: string, acceptedAtMs: number): void {
    this.#set(eventId, acceptedAtMs);
  }

  #set(eventId: string, accepted: number | Promise<number>): void {
    this.#acceptedAtMs.set(eventId, accepted);
    if (this.#acceptedAtMs.size > this.#eventsMax) {
      for (const oldest of this.#acceptedAtMs.keys()) {
        this.#acceptedAtMs.delete(oldest);
        break;
      }
    }
  }
}
