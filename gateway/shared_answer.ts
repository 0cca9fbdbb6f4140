/**
 * Computes a value at most once per interval and shares it among all callers meanwhile. For
 * endpoints without a key whose answers ask every thread, so that a flood of requests costs no more
 * than one.
 */
import type { Clock } from "../mesh/ports/clock.ts";

export class SharedAnswer<T> {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #compute: () => Promise<T>;
  #answer: Promise<T> | undefined;
  #isPending = false;
  /** Monotonic time at which the answer was begun. */
  #beganAtMs = 0;

  constructor(clock: Clock, intervalMs: number, compute: () => Promise<T>) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#compute = compute;
  }

  /** The answer of this interval. Rejects for every caller when the computation fails. */
  get(): Promise<T> {
    const nowMs = this.#clock.monotonicMs();
    const isFresh = this.#isPending || nowMs - this.#beganAtMs < this.#intervalMs;
    if (this.#answer !== undefined && isFresh) return this.#answer;
    this.#beganAtMs = nowMs;
    this.#isPending = true;
    const answer = this.#compute();
    const settled = () => this.#isPending = false;
    answer.then(settled, settled);
    return this.#answer = answer;
  }
}
