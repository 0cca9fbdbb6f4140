/**
 * Exact quality of scores: the area under the ROC curve, and logloss.
 * (The trainer keeps histograms instead: actors/trainer/progressive_validation.ts.)
 */

/**
 * The probability that a positive scores over a negative, ties counted half; exact.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { exactAuc } from "./auc.ts";
 *
 * assert.equal(exactAuc([0.2, 0.4, 0.6, 0.9], [0, 1, 0, 1]), 0.75);
 * ```
 *
 * @param scores Shape `[n]`; any monotone scale.
 * @param labels Shape `[n]`; positive where over 0.5.
 * @returns In [0, 1]; NaN where one of the classes is missing.
 * @see Mann and Whitney, "On a Test of Whether one of Two Random Variables is Stochastically
 * Larger", 1947
 */
export function exactAuc(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  if (scores.length !== labels.length) {
    throw new RangeError(`${scores.length} scores and ${labels.length} labels do not pair`);
  }
  const order = new Uint32Array(scores.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  order.sort((a, b) => scores[a] - scores[b]);
  let [negativesBelow, positives, pairs] = [0, 0, 0];
  for (let begin = 0; begin < order.length;) {
    const score = scores[order[begin]];
    let [tiedPositives, tiedNegatives] = [0, 0];
    let end = begin;
    for (; end < order.length && scores[order[end]] === score; end++) {
      if (labels[order[end]] > 0.5) tiedPositives++;
      else tiedNegatives++;
    }
    // A score that equals nothing, itself included, is NaN.
    if (end === begin) throw new RangeError(`score ${order[begin]} is not a number`);
    pairs += tiedPositives * (negativesBelow + tiedNegatives / 2);
    positives += tiedPositives;
    negativesBelow += tiedNegatives;
    begin = end;
  }
  return pairs / (positives * negativesBelow);
}

/** Mean of -ln(probability of the label), scores clipped to [1e-7, 1 - 1e-7]. */
export function logloss(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    const score = Math.min(1 - 1e-7, Math.max(1e-7, scores[i]));
    sum -= labels[i] > 0.5 ? Math.log(score) : Math.log1p(-score);
  }
  return sum / scores.length;
}
