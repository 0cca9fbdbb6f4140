/**
 * Learning rates of a table's slices: each follows its schedule by the batches that the table has been given, so that a
 * table that comes back from a snapshot goes on where it was, and on top of that a factor that the trainer sets.
 */
import { learningRateAt } from "../dense/optimizers/learning_rate.ts";
import type { SliceOptions } from "./options.ts";

export class SliceRates {
  readonly #slices: readonly SliceOptions[];
  readonly #apply: (slice: number, scale: number) => void;
  readonly #factors: number[];
  /** The slices that have a schedule. */
  readonly #scheduled: readonly number[];
  #batches = 0;

  /** @param apply Sets the factor of a slice's learning rate. */
  constructor(
    slices: readonly SliceOptions[],
    apply: (slice: number, scale: number) => void,
  ) {
    this.#slices = slices;
    this.#apply = apply;
    this.#factors = slices.map(() => 1);
    this.#scheduled = [...slices.keys()].filter((number) =>
      slices[number].learningRateSchedule !== undefined
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

  /** Multiplies a slice's rate, whatever its schedule says. */
  scale(number: number, factor: number): void {
    this.#factors[number] = factor;
    this.#set(number);
  }

  #set(number: number): void {
    const { learningRateSchedule } = this.#slices[number];
    const step = Math.max(1, this.#batches);
    this.#apply(number, learningRateAt(this.#factors[number], step, learningRateSchedule));
  }
}
