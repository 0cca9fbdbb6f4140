/**
 * The timers of an actor: those of its behaviour, and the one that ends its pause before a restart.
 */
import type { Clock, Timer } from "../ports/clock.ts";

export class CellTimers {
  readonly #clock: Clock;
  readonly #timers = new Set<Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `run` after a delay, unless the timer is cancelled before. */
  schedule(delayMs: number, run: () => void): { cancel(): void } {
    const timer = this.#clock.schedule(delayMs, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
    return {
      cancel: () => {
        timer.cancel();
        this.#timers.delete(timer);
      },
    };
  }

  cancelAll(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
