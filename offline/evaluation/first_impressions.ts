/**
 * Selects the first impressions of new items: those that a warm-up does not have.
 */

/**
 * Indices of the rows after the warm-up that are among the first of their item, which the warm-up
 * does not have.
 *
 * @param items The item of each row, in order of time.
 * @param warmUp Rows of the warm-up.
 * @param impressionsMax Rows of each item at most.
 */
export function firstImpressions(
  items: ArrayLike<bigint>,
  warmUp: number,
  impressionsMax: number,
): number[] {
  const impressions = new Map<bigint, number>();
  const rows: number[] = [];
  for (let row = 0; row < items.length; row++) {
    const before = impressions.get(items[row]) ?? 0;
    if (row < warmUp) {
      impressions.set(items[row], Infinity);
      continue;
    }
    impressions.set(items[row], before + 1);
    if (before < impressionsMax) rows.push(row);
  }
  return rows;
}
