/**
 * The copies of shards that have failed, and the pauses before they begin anew: twice as long after
 * each failure of the same shard in a row.
 */
import type { Clock } from "../mesh/ports/clock.ts";

/** Lengths of the pauses, ms. */
const pauseMs = { first: 500, max: 30_000 };

export class CopyFailures {
  readonly #clock: Clock;
  /** Failures in a row by shard, and when the next copy may begin, monotonic ms. */
  readonly #failures = new Map<number, { readonly count: number; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes a failure; the pause before the next copy of the shard, ms. */
  add(shard: number): number {
    const { count } = this.#failures.get(shard) ?? { count: 0 };
    const ms = Math.min(pauseMs.first * 2 ** count, pauseMs.max);
    this.#failures.set(shard, { count: count + 1, untilMs: this.#clock.monotonicMs() + ms });
    return ms;
  }

  /** Whether the next copy of the shard has to wait. */
  isPausing(shard: number): boolean {
    return this.#clock.monotonicMs() < (this.#failures.get(shard)?.untilMs ?? 0);
  }

  /** Forgets the failures of a shard: a copy has succeeded, or none is asked for. */
  end(shard: number): void {
    this.#failures.delete(shard);
  }
}
