/**
 * Finds the known word nearest to a misspelt one, for "did you mean …?".
 */
import { editDistance } from "../structures/edit_distance.ts";

/**
 * The nearest of `words` within an edit distance of a third of the word's length (at least 1);
 * undefined = none.
 */
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

/** The letters and digits in lower case: equal for `batch_rows`, `batch-rows` and `batchRows`. */
function simplified(word: string): string {
  return word.replaceAll(/[^A-Za-z0-9]/g, "").toLowerCase();
}
