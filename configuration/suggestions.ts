/**
 * "Did you mean …?": the known word that is nearest to an unknown one.
 */
import { editDistance } from "../structures/edit_distance.ts";

/** The nearest of `words`, if it is near enough for a slip of the finger; undefined otherwise. */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of words) {
    const distance = simplified(word) === simplified(candidate)
      ? 0
      : editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `batch_rows`, `batch-rows` and `batchRows` are one word. */
function simplified(word: string): string {
  return word.replaceAll(/[^A-Za-z0-9]/g, "").toLowerCase();
}
