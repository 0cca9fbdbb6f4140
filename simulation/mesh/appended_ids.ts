/**
 * The ids under which a simulated log has appended records, for as long as it knows them.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import type { Journal } from "./journal.ts";

/** The content, time and writer of a record that was appended under an id. */
export interface AppendedId {
  readonly content: string;
  readonly acceptedAtMs: number;
  readonly token: string;
}

export class AppendedIds {
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #retainedMs: number;
  /** In the order in which they expire, by the server's clock, ms. */
  readonly #ids = new Map<string, AppendedId & { readonly expiresMs: number }>();

  /** @param retainedMs Time after which an id is forgotten, ms. */
  constructor(clock: Clock, journal: Journal, retainedMs: number) {
    this.#clock = clock;
    this.#journal = journal;
    this.#retainedMs = retainedMs;
  }

  /** The record under an id; undefined where there is none, or no more. */
  find(id: string | undefined): AppendedId | undefined {
    this.#forgetExpired();
    return id === undefined ? undefined : this.#ids.get(id);
  }

  /** Adds a record that was appended, if it has an id. */
  add(id: string | undefined, appended: AppendedId): void {
    if (id === undefined) return;
    const expiresMs = this.#clock.monotonicMs() + this.#retainedMs;
    this.#ids.set(id, { ...appended, expiresMs });
    this.#journal.add(() => this.#ids.delete(id));
  }

  /** A fail-over does not bring expired ids back: it goes back in state, not in time. */
  #forgetExpired(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [id, { expiresMs }] of this.#ids) {
      if (expiresMs > nowMs) return;
      this.#ids.delete(id);
    }
  }
}
