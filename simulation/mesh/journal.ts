/**
 * Changes of a simulated server, each with its opposite, so that the server can go back to its
 * state of some time ago.
 */
import type { Clock } from "../../mesh/ports/clock.ts";

interface Change {
  readonly atMs: number;
  readonly undo: () => void;
}

/** Changes older than this are final, ms. */
const UNDONE_MS_MAX = 60_000;

export class Journal {
  readonly #clock: Clock;
  #changes: Change[] = [];
  #confirmed: Change | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes a change that was made just now. */
  add(undo: () => void): void {
    const atMs = this.#clock.monotonicMs();
    this.#changes.push({ atMs, undo });
    if (this.#changes.length % 1_024 === 0) {
      this.#changes = this.#changes.filter((change) => change.atMs >= atMs - UNDONE_MS_MAX);
    }
  }

  /** A replica has all changes that were made so far. */
  confirm(): void {
    this.#confirmed = this.#changes.at(-1);
  }

  /**
   * Undoes the changes since then, newest first; returns their number.
   *
   * @param isConfirmedKept Whether changes stay that a replica has.
   */
  undo(sinceMs: number, isConfirmedKept: boolean): number {
    let count = 0;
    for (let last = this.#changes.at(-1); last !== undefined && last.atMs >= sinceMs;) {
      if (isConfirmedKept && last === this.#confirmed) break;
      last.undo();
      this.#changes.pop();
      count++;
      last = this.#changes.at(-1);
    }
    return count;
  }
}
