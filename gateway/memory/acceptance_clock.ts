/**
 * Gives acceptance times: wall time that strictly ascends, in steps of at least 2^-10 ms, also when
 * the machine's clock steps back. Freshness is measured from them, so no two events may share one.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import { invariant } from "../../structures/invariant.ts";

/** Exactly representable in addition to today's epoch milliseconds (41 of 53 bits). */
const STEP_MS = 1 / 1024;

export class AcceptanceClock {
  #lastMs = 0;
  /** How far the clock of another gateway is ahead of this machine's, ms. */
  #aheadMs = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nextMs(): number {
    const nextMs = Math.max(this.#clock.nowMs() + this.#aheadMs, this.#lastMs + STEP_MS);
    invariant(nextMs > this.#lastMs, "acceptance times strictly ascend");
    this.#lastMs = nextMs;
    return nextMs;
  }

  /**
   * Keeps up with another gateway, which has accepted an event at `acceptedAtMs` already: where its
   * clock is ahead, this one goes as fast from now on.
   */
  follow(acceptedAtMs: number): void {
    this.resumeAfter(acceptedAtMs);
    this.#aheadMs = Math.max(this.#aheadMs, acceptedAtMs - this.#clock.nowMs());
  }

  /** Keeps later times above `acceptedAtMs`, which an earlier run of the server gave. */
  resumeAfter(acceptedAtMs: number): void {
    if (acceptedAtMs > this.#lastMs) this.#lastMs = acceptedAtMs;
  }
}
