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

  /** Notes a further restart; returns its delay in ms, or undefined when the policy allows none. */
  next(nowMs: number): number | undefined {
    const { restartsMax, backoffMs, backoffMsMax } = this.#policy;
    const restarts = this.recent(nowMs);
    if (restarts >= restartsMax) return undefined;
    this.#timesMs.push(nowMs);
    this.#total++;
    return Math.min(backoffMs * 2 ** restarts, backoffMsMax);
  }
}
