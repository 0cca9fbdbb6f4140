/**
 * Pauses that all end at once when their owner stops.
 */
import type { Clock } from "../mesh/ports/clock.ts";

export class Pauses {
  readonly #clock: Clock;
  readonly #ends = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves after `ms`, at once where that is over, or when {@link endAll} is called. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        this.#ends.delete(end);
        resolve();
      };
      const timer = this.#clock.schedule(Math.max(0, ms), end);
      this.#ends.add(end);
    });
  }

  /** Ends the pauses that are under way. */
  endAll(): void {
    for (const end of this.#ends) end();
  }
}
