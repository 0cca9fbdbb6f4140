/**
 * Masks that silence hidden units in training, made by the host so that a resumed run draws the same ones.
 *
 * @see Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 2014
 */
import { mixKey, uniformAt } from "./counter_random.ts";

/**
 * Fills with 0 at `rate`, and with 1 / (1 - rate) elsewhere, so that the expected sum stays.
 *
 * @param first Where the mask begins in the stream of `purpose`, so that parts of a batch get the parts of its mask.
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
