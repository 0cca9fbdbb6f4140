/**
 * An actor's restarts, and the policy's decision on the next one.
 */
import type { RestartPolicy } from "./actor.ts";

/** The policy's decision after a crash. */
export interface RestartDecision {
  /** Undefined where the actor is not restarted. */
  readonly delayMs: number | undefined;
  /** Whether there were more crashes than the policy allows. */
  readonly isExceeded: boolean;
  /** Restarts within the policy's period, with this one. */
  readonly restarts: number;
}

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

  /** Decides on the restart after a crash at `nowMs` (monotonic), and notes it. */
  next(nowMs: number): RestartDecision {
    const { restartsMax, periodMs, backoffMs, backoffMsMax, goesOn = false } = this.#policy;
    this.#timesMs = this.#timesMs.filter((atMs) => nowMs - atMs < periodMs);
    const restarts = this.#timesMs.length;
    const isExceeded = restarts >= restartsMax;
    if (isExceeded && !goesOn) return { delayMs: undefined, isExceeded, restarts };
    const delayMs = isExceeded ? backoffMsMax : Math.min(backoffMs * 2 ** restarts, backoffMsMax);
    this.#timesMs.push(nowMs);
    this.#total++;
    return { delayMs, isExceeded, restarts: restarts + 1 };
  }
}
