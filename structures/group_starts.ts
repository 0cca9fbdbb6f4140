/**
 * Starts of groups that follow each other in an array: group g is from `starts[g]` to
 * `starts[g + 1]`.
 */

/**
 * Whether starts divide an array into groups: they ascend from 0 to its length.
 *
 * @param starts Shape `[groups + 1]`.
 */
export function divides(starts: Uint32Array, groups: number, length: number): boolean {
  if (starts.length !== groups + 1 || starts[0] !== 0 || starts[groups] !== length) return false;
  for (let group = 0; group < groups; group++) {
    if (starts[group] > starts[group + 1]) return false;
  }
  return true;
}
