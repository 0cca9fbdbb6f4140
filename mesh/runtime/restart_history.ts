/**
 * An actor's restarts, and the policy's decision on the next one.
 */
import type { RestartPolicy } from "./actor.ts";

export class RestartHistory {
  readonly #policy: RestartPolicy;
  #timesMs: number[] = [];
  #total = 0;

  constructor(policy: RestartPolicy) {
    this.#policy = policy;
  }

  /** Restarts since the actor was spawned. */
  get total(): number {
    return this.#total;
  }

  /** Restarts within the policy's period before `nowMs` (monotonic). */
  recent(nowMs: number): number {
    this.#timesMs = this.#timesMs.filter((atMs) => nowMs - atMs < this.#policy.periodMs);
    return this.#timesMs.length;
  }

  /** Whether a further restart is one more than the policy allows. */
  isExceeded(nowMs: number): boolean {
    return this.recent(nowMs) >= this.#policy.restartsMax;
  }

  /** Notes a further restart; returns its delay in ms, or undefined when there is none. */
  next(nowMs: number): number | undefined {
    const { backoffMs, backoffMsMax, goesOn = false } = this.#policy;
    const isExceeded = this.isExceeded(nowMs);
    if (isExceeded && !goesOn) return undefined;
    const delayMs = isExceeded
      ? backoffMsMax
      : Math.min(backoffMs * 2 ** this.recent(nowMs), backoffMsMax);
    this.#timesMs.push(nowMs);
    this.#total++;
    return delayMs;
  }
}
