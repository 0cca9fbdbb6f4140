/**
 * Insertions, deletions, substitutions and swaps of neighbouring units that turn one text into the
 * other (optimal string alignment). Takes time in proportion to the product of the lengths: bound
 * them first.
 *
 * @see Damerau, "A technique for computer detection and correction of spelling errors", 1964
 *
 * @example
 * ```ts
 * import { editDistance } from "./edit_distance.ts";
 *
 * console.assert(editDistance("lingre", "linger") === 1);
 * ```
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(row[j - 1] + 1, last[j] + 1, last[j - 1] + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}
