/**
 * When an appender sends its next batch: 2 ms after the one before, or as soon as 8 appends wait.
 * So the appends of a busy log share scripts, syncs and wake-ups, and one that comes alone waits
 * for nothing.
 */
import type { Clock } from "../../ports/clock.ts";
import { DenoClock } from "../deno/deno_clock.ts";

/** Shortest time from one batch to the next, ms. */
const PACE_MS = 2;
/** Waiting appends that are enough for a batch. */
const APPENDS_ENOUGH = 8;

export class BatchPace {
  readonly #clock: Clock;
  #nextMs = 0;
  /** Ends the wait for the next batch. */
  #leave: (() => void) | undefined;

  constructor(clock: Clock = new DenoClock()) {
    this.#clock = clock;
  }

  /**
   * Waits until a batch may leave, and counts it as sent.
   *
   * @param waiting Appends that wait for it by now.
   */
  async next(waiting: number): Promise<void> {
    const waitMs = this.#nextMs - this.#clock.monotonicMs();
    if (waitMs > 0 && waiting < APPENDS_ENOUGH) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = this.#clock.schedule(waitMs, resolve);
      this.#leave = resolve;
      await promise;
      this.#leave = undefined;
      timer.cancel();
    }
    this.#nextMs = this.#clock.monotonicMs() + PACE_MS;
  }

  /** Tells that so many appends wait. */
  tell(waiting: number): void {
    if (waiting >= APPENDS_ENOUGH) this.#leave?.();
  }
}
