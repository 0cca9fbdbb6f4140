/**
 * Learning rates of a table's segments: each follows its schedule by the batches that the table has been given, so that a
 * table that comes back from a snapshot goes on where it was, and on top of that a factor that the trainer sets.
 */
import { learningRateAt } from "../dense/optimizers/learning_rate.ts";
import type { SegmentOptions } from "./options.ts";

export class SegmentRates {
  readonly #segments: readonly SegmentOptions[];
  readonly #apply: (segment: number, scale: number) => void;
  readonly #factors: number[];
  /** The segments that have a schedule. */
  readonly #scheduled: readonly number[];
  #batches = 0;

  /** @param apply Sets the factor of a segment's learning rate. */
  constructor(
    segments: readonly SegmentOptions[],
    apply: (segment: number, scale: number) => void,
  ) {
    this.#segments = segments;
    this.#apply = apply;
    this.#factors = segments.map(() => 1);
    this.#scheduled = [...segments.keys()].filter((number) =>
      segments[number].learningRateSchedule !== undefined
    );
  }

  /** A batch is about to be learned from. */
  nextBatch(): void {
    this.#batches++;
    for (const number of this.#scheduled) this.#set(number);
  }

  /** So many batches were learned from before. */
  resumeAt(batches: number): void {
    this.#batches = Math.max(this.#batches, batches);
  }

  /** Multiplies a segment's rate, whatever its schedule says. */
  scale(number: number, factor: number): void {
    this.#factors[number] = factor;
    this.#set(number);
  }

  #set(number: number): void {
    const { learningRateSchedule } = this.#segments[number];
    const step = Math.max(1, this.#batches);
    this.#apply(number, learningRateAt(this.#factors[number], step, learningRateSchedule));
  }
}
