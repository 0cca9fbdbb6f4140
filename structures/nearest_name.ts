/**
 * Finds the known name that was probably meant by an unknown one, for "did you mean …?".
 */
import { editDistance } from "./edit_distance.ts";

/** Shortest name, in letters, for which a name of other letters is proposed. */
const LETTERS_MIN = 3;

/** Longest name that is compared: clients choose unknown names, and the comparison is quadratic. */
const LENGTH_MAX = 128;

/**
 * The known name that `name` misspells: the first of the same letters and digits in any case, or
 * the nearest one within an edit distance of a third of `name` (at least 1, at most 4); undefined
 * where there is none.
 *
 * @example
 * ```ts
 * import { misspeltName } from "./nearest_name.ts";
 *
 * console.assert(misspeltName("batch-rows", ["linger", "batchRows"]) === "batchRows");
 * console.assert(misspeltName("lingre", ["linger", "batchRows"]) === "linger");
 * ```
 */
export function misspeltName(name: string, known: Iterable<string>): string | undefined {
  if (name.length > LENGTH_MAX) return undefined;
  const wanted = letters(name);
  const distanceMax = wanted.length < LETTERS_MIN
    ? 0
    : Math.min(4, Math.max(1, Math.floor(wanted.length / 3)));
  let best: string | undefined;
  let bestDistance = distanceMax + 1;
  for (const candidate of known) {
    const other = letters(candidate);
    if (Math.abs(other.length - wanted.length) >= bestDistance) continue;
    const distance = editDistance(other, wanted);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/**
 * The known name that `name` misspells, or else the one nearest in length of which it is the
 * beginning or the end, or the other way round.
 *
 * @example
 * ```ts
 * import { meantName } from "./nearest_name.ts";
 *
 * console.assert(meantName("ranking", ["eventId", "rankingId", "item"]) === "rankingId");
 * ```
 */
export function meantName(name: string, known: readonly string[]): string | undefined {
  const misspelt = misspeltName(name, known);
  if (misspelt !== undefined || name.length > LENGTH_MAX) return misspelt;
  const wanted = letters(name);
  let best: string | undefined;
  let bestDifference = Infinity;
  for (const candidate of known) {
    const other = letters(candidate);
    const [short, long] = other.length < wanted.length ? [other, wanted] : [wanted, other];
    const difference = long.length - short.length;
    if (short.length < LETTERS_MIN || difference >= bestDifference) continue;
    if (!long.startsWith(short) && !long.endsWith(short)) continue;
    best = candidate;
    bestDifference = difference;
  }
  return best;
}

/** The letters and digits in lower case: equal for `batch_rows`, `batch-rows` and `batchRows`. */
function letters(name: string): string {
  return name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
}
