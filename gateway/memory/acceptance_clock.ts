/**
 * Gives acceptance times: wall time that strictly ascends, in steps of at least 2^-10 ms, also when
 * the machine's clock steps back. Freshness is measured from them, so no two events may share one.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import { ACCEPTANCE_STEP_MS } from "../../mesh/ports/event_log.ts";
import { invariant } from "../../structures/invariant.ts";

export class AcceptanceClock {
  #lastMs = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The newest time that was given, or resumed after; 0 before the first. */
  get lastMs(): number {
    return this.#lastMs;
  }

  nextMs(): number {
    const nextMs = Math.max(this.#clock.nowMs(), this.#lastMs + ACCEPTANCE_STEP_MS);
    invariant(nextMs > this.#lastMs, "acceptance times strictly ascend");
    this.#lastMs = nextMs;
    return nextMs;
  }

  /** Keeps later times above `acceptedAtMs`, which an earlier run or another gateway gave. */
  resumeAfter(acceptedAtMs: number): void {
    if (acceptedAtMs > this.#lastMs) this.#lastMs = acceptedAtMs;
  }
}
