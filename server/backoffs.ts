/**
 * Pauses before a step that has failed is made again: twice as long after each failure of the same
 * part in a row.
 */
import type { Clock } from "../mesh/ports/clock.ts";

/** Lengths of the pauses, ms. */
export interface PauseLengths {
  readonly first: number;
  readonly max: number;
}

/** The pauses of a part that could not be made: each try lists a blob store. */
export const startPauseMs: PauseLengths = { first: 500, max: 4_000 };

/** @typeParam P A part. */
export class Backoffs<P> {
  readonly #clock: Clock;
  readonly #pauseMs: PauseLengths;
  /** Failures in a row, and when the next try may begin, monotonic ms. */
  readonly #failures = new Map<P, { readonly count: number; readonly untilMs: number }>();

  constructor(clock: Clock, pauseMs: PauseLengths) {
    this.#clock = clock;
    this.#pauseMs = pauseMs;
  }

  /** Notes a failure; the pause before the next try, ms. */
  failed(part: P): number {
    const { count } = this.#failures.get(part) ?? { count: 0 };
    const ms = Math.min(this.#pauseMs.first * 2 ** count, this.#pauseMs.max);
    this.#failures.set(part, { count: count + 1, untilMs: this.#clock.monotonicMs() + ms });
    return ms;
  }

  /** Whether the next try has to wait. */
  isPausing(part: P): boolean {
    return this.#clock.monotonicMs() < (this.#failures.get(part)?.untilMs ?? 0);
  }

  /** Forgets the failures of a part: the step was made, or is not to be made any more. */
  end(part: P): void {
    this.#failures.delete(part);
  }

  /** Makes a step, and notes its outcome. */
  async during<R>(part: P, step: () => Promise<R>): Promise<R> {
    try {
      const result = await step();
      this.end(part);
      return result;
    } catch (error) {
      this.failed(part);
      throw error;
    }
  }
}
