/**
 * Labels that come after their example was decided: a purchase days after a click.
 *
 * The example was learned from as a negative when the window closed (elapsed-time sampling). When
 * the positive label comes, the same row becomes a further, positive example. The stream then has
 * p positives and 1 - pF negatives per row, where p is the probability of a positive label and F
 * the share of labels that come in time. Its odds are
 *
 *     p / (1 - pF) = p / (1 - p) · (1 - p) / (1 - pF)
 *
 * so the loss of a single task subtracts ln((1 - pF) / (1 - p)) from the logit, with the served
 * prediction for p, and the logit itself stays that of p. For rare labels the correction is nearly
 * 0.
 *
 * @see Yang et al., "Capturing Delayed Feedback in Conversion Rate Prediction via Elapsed-Time
 *   Sampling", AAAI 2021: duplicates of late positives with importance weights
 * @see Ktena et al., "Addressing Delayed Feedback for Continuous Training with Neural Networks in
 *   CTR Prediction", RecSys 2019, section 4.2.2: calibration of the biased distribution
 */
import type { PositiveCounts } from "../../records/joiner_position.ts";
import type { JoinerOptions } from "./options.ts";

/** The label of a task that an example says nothing about. */
export const NO_LABEL = -1;

/** Served predictions count as at most this probability: at 1 the correction would be infinite. */
const PROBABILITY_MAX = 0.95;

export class LateLabels {
  /** `[tasks]`, ms. */
  readonly #lateMs: readonly number[];
  /** Longest time after an impression in which a label is learned from, ms; 0 = none is late. */
  readonly lateMsMax: number;
  /** Whether the loss of the only task is corrected. */
  readonly #corrects: boolean;
  #inTime: number;
  #late: number;

  constructor(options: JoinerOptions, positives: PositiveCounts | undefined) {
    this.#lateMs = options.tasks.map(({ lateMs = 0 }) => lateMs);
    this.lateMsMax = Math.max(...this.#lateMs);
    this.#corrects = this.lateMsMax > 0 && options.negativeSampling.correction === "logOdds";
    this.#inTime = positives?.inTime ?? 0;
    this.#late = positives?.late ?? 0;
  }

  /** The counts that a restart must restore; undefined where no label is late. */
  get positives(): PositiveCounts | undefined {
    return this.lateMsMax > 0 ? { inTime: this.#inTime, late: this.#late } : undefined;
  }

  /** Whether a label of the task is learned from at this age of its impression, ms. */
  isLearned(task: number, ageMs: number): boolean {
    return ageMs < this.#lateMs[task];
  }

  /** Counts a positive label of the only task. */
  count(isLate: boolean): void {
    if (isLate) this.#late++;
    else this.#inTime++;
  }

  /**
   * The term of an example's ln(sample rate).
   *
   * @param prediction The served prediction of the only task; NaN = unknown.
   */
  correction(prediction: number): number {
    if (!this.#corrects || this.#late === 0 || !(prediction > 0)) return 0;
    const p = Math.min(prediction, PROBABILITY_MAX);
    const inTime = this.#inTime / (this.#inTime + this.#late);
    return Math.log((1 - p * inTime) / (1 - p));
  }
}
