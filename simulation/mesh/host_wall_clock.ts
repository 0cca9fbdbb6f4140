/**
 * The wall clock of a host over all incarnations of its process, or that of the Redis server: its
 * lead over the true time, which grows by its drift and changes by steps.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import type { HostClock } from "../plan/host_clocks.ts";

const MILLION = 1_000_000;
/** A time service lets a clock drift no further, ms: two clocks are less than 10 s apart. */
const SERVICE_MS_MAX = 4_990;

export class HostWallClock {
  readonly #clock: Pick<Clock, "nowMs" | "monotonicMs">;
  readonly #plan: HostClock;
  #steppedMs = 0;
  #steppedTo: number;
  /** The latest time that it has shown before a step back, ms. */
  #shownMs = -Infinity;

  /**
   * @param clock Has the true time.
   * @param plan Default: the true time.
   */
  constructor(
    clock: Pick<Clock, "nowMs" | "monotonicMs">,
    plan: HostClock = { aheadMs: 0, driftPpm: 0 },
  ) {
    this.#clock = clock;
    this.#plan = plan;
    this.#steppedTo = plan.aheadMs;
  }

  /** Lead over the true time now, ms. */
  get aheadMs(): number {
    const sinceMs = this.#clock.monotonicMs() - this.#steppedMs;
    const aheadMs = this.#steppedTo + sinceMs * this.#plan.driftPpm / MILLION;
    return Math.max(-SERVICE_MS_MAX, Math.min(SERVICE_MS_MAX, aheadMs));
  }

  /** The latest time that it has shown, ms. */
  get latestMs(): number {
    return Math.max(this.#shownMs, this.#clock.nowMs() + this.aheadMs);
  }

  /** Sets the clock to a lead, from which it drifts on. */
  stepTo(aheadMs: number): void {
    this.#shownMs = this.latestMs;
    this.#steppedTo = aheadMs;
    this.#steppedMs = this.#clock.monotonicMs();
  }

  /** Takes steps back: the clock is as at the beginning. */
  heal(): void {
    this.stepTo(this.#plan.aheadMs);
  }
}
