/**
 * Freshness is measured from the moment of acceptance, so no two events may share one: this is wall time that
 * strictly ascends, in steps of at least 2^-10 ms, also when the machine's clock steps back.
 */
import type { Clock } from "../../mesh/ports/clock.ts";

/** Exactly representable next to today's epoch milliseconds (41 bits of the 53). */
const stepMs = 1 / 1024;

export class AcceptanceClock {
  #lastMs = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nextMs(): number {
    this.#lastMs = Math.max(this.#clock.nowMs(), this.#lastMs + stepMs);
    return this.#lastMs;
  }

  /** Goes on after `acceptedAtMs`, which an earlier run gave. */
  resumeAfter(acceptedAtMs: number): void {
    this.#lastMs = Math.max(this.#lastMs, acceptedAtMs);
  }
}
