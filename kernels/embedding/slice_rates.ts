/**
 * Learning rates of a table's slices: the schedule of each, as a function of the batches applied so
 * far, times a factor that the trainer sets. A restored table resumes its schedules.
 */
import { learningRateAt } from "../dense/optimizers/learning_rate.ts";
import type { SliceOptions } from "./options.ts";

export class SliceRates {
  readonly #slices: readonly SliceOptions[];
  readonly #apply: (slice: number, scale: number) => void;
  readonly #factors: number[];
  /** Numbers of the slices with a schedule. */
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

  /** Called before a batch is applied. */
  nextBatch(): void {
    this.#batches++;
    for (const number of this.#scheduled) this.#set(number);
  }

  /** Resumes after `batches` batches. */
  resumeAt(batches: number): void {
    this.#batches = Math.max(this.#batches, batches);
  }

  /** Multiplies a slice's rate, on top of its schedule. */
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
