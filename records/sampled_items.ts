/**
 * The sample rate of rankings that are made from events: items that a user acted on, among sampled
 * items instead of the ones that the user saw.
 */

/** Sampled items that a rate counts where none could be sampled: the rate must not be 0. */
const SAMPLED_MIN = 0.5;

/**
 * ln(share) of the items without an action that a sample holds.
 *
 * @param acted Items that the user acted on.
 * @param sampled Items of the sample.
 * @param seen Items that the user is assumed to have seen.
 */
export function logSampleRateOf(acted: number, sampled: number, seen: number): number {
  const passedOver = Math.max(sampled, seen - acted, 1);
  return Math.min(0, Math.log(Math.max(sampled, SAMPLED_MIN) / passedOver));
}
