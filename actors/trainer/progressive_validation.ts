/**
 * Progressive (prequential) validation: every example is scored before it is learned from, so the
 * trainer's predictions are tested on unseen data.
 *
 * Scores are counted in histograms by label. Histograms add up, so the difference of two readings
 * gives the AUC of the interval; scores in one bin count as ties.
 *
 * @see Blum, Kalai and Langford, "Beating the hold-out: bounds for k-fold and progressive
 * cross-validation", 1999
 */
import type { ScoreHistograms } from "./protocol.ts";

export class ScoreRecorder implements ScoreHistograms {
  readonly negatives: Float64Array<ArrayBuffer>;
  readonly positives: Float64Array<ArrayBuffer>;
  examples = 0;
  weights = 0;
  lossSum = 0;
  predictionSum = 0;
  labelSum = 0;

  /** @param bins Equal bins of the probability range [0, 1]; 0 for a task that predicts a value. */
  constructor(bins: number) {
    this.negatives = new Float64Array(bins);
    this.positives = new Float64Array(bins);
  }

  /** Records the squared error of a predicted value. */
  recordError(squaredError: number, weight = 1): void {
    this.#count(squaredError, weight);
  }

  /**
   * Records a probability and the label that followed (positive when > 0.5); NaN is not recorded.
   */
  record(probability: number, label: number, logloss: number, weight = 1): void {
    if (Number.isNaN(probability)) return;
    const bins = label > 0.5 ? this.positives : this.negatives;
    bins[Math.min(bins.length - 1, Math.max(0, Math.floor(probability * bins.length)))] += weight;
    this.#count(logloss, weight);
  }

  /**
   * Adds a prediction and its label to the sums of the calibration; NaN is not added.
   *
   * @param prediction The prediction of the label as sampled: with the offset of the sampling rate.
   */
  calibrate(prediction: number, label: number, weight = 1): void {
    if (Number.isNaN(prediction)) return;
    this.predictionSum += weight * prediction;
    this.labelSum += weight * label;
  }

  #count(loss: number, weight: number): void {
    this.examples++;
    this.weights += weight;
    this.lossSum += weight * loss;
  }

  /** Adds the records of another recorder with as many bins. */
  add(other: ScoreHistograms): void {
    const { negatives, positives, examples, weights, lossSum } = other;
    for (let bin = 0; bin < negatives.length; bin++) {
      this.negatives[bin] += negatives[bin];
      this.positives[bin] += positives[bin];
    }
    this.examples += examples;
    this.weights += weights;
    this.lossSum += lossSum;
    this.predictionSum += other.predictionSum;
    this.labelSum += other.labelSum;
  }

  clear(): void {
    this.negatives.fill(0);
    this.positives.fill(0);
    this.examples = this.weights = this.lossSum = 0;
    this.predictionSum = this.labelSum = 0;
  }

  /** A copy of the records so far. */
  read(): ScoreHistograms {
    const { negatives, positives, examples, weights, lossSum, predictionSum, labelSum } = this;
    return {
      negatives: negatives.slice(),
      positives: positives.slice(),
      examples,
      weights,
      lossSum,
      predictionSum,
      labelSum,
    };
  }
}

/** The records between two readings of one recorder. */
export function since(earlier: ScoreHistograms, later: ScoreHistograms): ScoreHistograms {
  return {
    negatives: later.negatives.map((count, bin) => count - earlier.negatives[bin]),
    positives: later.positives.map((count, bin) => count - earlier.positives[bin]),
    examples: later.examples - earlier.examples,
    weights: later.weights - earlier.weights,
    lossSum: later.lossSum - earlier.lossSum,
    predictionSum: later.predictionSum - earlier.predictionSum,
    labelSum: later.labelSum - earlier.labelSum,
  };
}

/** The sum of two readings, e.g. of two trainers. */
export function together(one: ScoreHistograms, other: ScoreHistograms): ScoreHistograms {
  return {
    negatives: one.negatives.map((count, bin) => count + other.negatives[bin]),
    positives: one.positives.map((count, bin) => count + other.positives[bin]),
    examples: one.examples + other.examples,
    weights: one.weights + other.weights,
    lossSum: one.lossSum + other.lossSum,
    predictionSum: one.predictionSum + other.predictionSum,
    labelSum: one.labelSum + other.labelSum,
  };
}

/** Mean prediction divided by the mean label: 1 is right. Not finite where the labels sum to 0. */
export function calibrationOf({ predictionSum, labelSum }: ScoreHistograms): number {
  return predictionSum / labelSum;
}

/**
 * Area under the ROC curve; a pair in one bin counts half. NaN without both labels.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { areaUnderCurve, ScoreRecorder } from "./progressive_validation.ts";
 *
 * const recorder = new ScoreRecorder(100);
 * recorder.record(0.9, 1, 0);
 * recorder.record(0.2, 0, 0);
 * recorder.record(0.4, 1, 0);
 * recorder.record(0.6, 0, 0);
 * assert.equal(areaUnderCurve(recorder.read()), 0.75);
 * ```
 */
export function areaUnderCurve({ negatives, positives }: ScoreHistograms): number {
  let below = 0;
  let wins = 0;
  let positivesAll = 0;
  for (let bin = 0; bin < negatives.length; bin++) {
    wins += positives[bin] * (below + negatives[bin] / 2);
    below += negatives[bin];
    positivesAll += positives[bin];
  }
  return wins / (below * positivesAll);
}

/** -ln of the probability that the logit gives to the label (0 or 1), without overflow. */
export function logloss(logit: number, label: number): number {
  const signed = label > 0.5 ? -logit : logit;
  return signed > 0 ? signed + Math.log1p(Math.exp(-signed)) : Math.log1p(Math.exp(signed));
}

export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}
