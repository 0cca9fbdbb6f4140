/**
 * Dropout masks. The host draws them, from seed and step, so that a resumed run draws the same
 * masks.
 *
 * @see Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR
 *   2014
 */
import { mixKey, uniformAt } from "./counter_random.ts";

/**
 * Sets each element to 0 with probability `rate`, else to 1 / (1 - rate), which keeps the expected
 * sum.
 *
 * @param purpose Key of the random stream: seed, step and index of the mask.
 * @param first Index in that stream of the mask's first element, so that a part of a batch gets its
 *   part of the mask.
 */
export function fillDropoutMask(
  mask: Float32Array,
  rate: number,
  purpose: readonly number[],
  first = 0,
): void {
  const key = mixKey(purpose);
  const kept = 1 / (1 - rate);
  for (let i = 0; i < mask.length; i++) mask[i] = uniformAt(key, first + i) < rate ? 0 : kept;
}
