/**
 * Delta debugging: finds a small part of a list that still fails.
 *
 * @see Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2),
 * 2002 (ddmin)
 */

/**
 * Decides whether a run with these items still fails in the same way; undefined when no more runs
 * are allowed.
 */
export type StillFails<T> = (items: readonly T[]) => Promise<boolean | undefined>;

/**
 * A part of `items`, in their order, that fails and is one-minimal where the runs sufficed: without
 * any one of its items it does not fail.
 *
 * @param items Fail as a whole.
 */
export async function minimize<T>(
  items: readonly T[],
  stillFails: StillFails<T>,
): Promise<readonly T[]> {
  let current = items;
  if (current.length > 0) {
    const empty = await stillFails([]);
    if (empty === undefined) return current;
    if (empty) return [];
  }
  let parts = 2;
  while (current.length >= 2) {
    const size = Math.ceil(current.length / parts);
    let reduced: readonly T[] | undefined;
    for (let start = 0; start < current.length && reduced === undefined; start += size) {
      const complement = [...current.slice(0, start), ...current.slice(start + size)];
      const fails = await stillFails(complement);
      if (fails === undefined) return current;
      if (fails) reduced = complement;
    }
    if (reduced !== undefined) {
      current = reduced;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) return current;
    else parts = Math.min(current.length, parts * 2);
  }
  return current;
}
