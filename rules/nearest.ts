/** The known name that a misspelt one resembles. */
import { editDistance } from "../structures/edit_distance.ts";

/** The name at a distance of at most two letters; undefined if there is none. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  return known.find((other) => other.toLowerCase() === wanted) ??
    known.find((other) =>
      Math.abs(other.length - name.length) <= 2 && editDistance(other.toLowerCase(), wanted) <= 2
    );
}
