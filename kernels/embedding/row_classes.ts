/**
 * Slots whose rows look alike (the same widths, the same kinds of optimizer) are a class, and each class has a table of
 * its own: a slot with 4 weights does not pay for another's 64, nor one with SGD for another's moments.
 *
 * Ids and rows travel class after class: of n ids in classes of widths w, the first `starts[1]` have rows of w₀ floats each,
 * the next of w₁.
 */

/** What rows of a class are to a reader. */
export interface RowClass {
  /** Numbers of the slots; a slot that no class names is of the first. */
  readonly slots: readonly number[];
  /** In row order. */
  readonly slices: readonly { readonly name: string; readonly dim: number }[];
}

/** The rows of a model's slots. */
export interface RowLayout {
  readonly classes: readonly RowClass[];
  /** The class of each of a batch's slots, by position. */
  readonly classOfColumn: readonly number[];
}

/** Weights in a row. */
export function widthOf({ slices }: Pick<RowClass, "slices">): number {
  return slices.reduce((sum, { dim }) => sum + dim, 0);
}

/**
 * Where each group's rows begin, floats.
 *
 * @param groupStarts Ids of group g, which is of class g mod classes, are those from `groupStarts[g]` on.
 * @returns Shape `[groups + 1]`
 */
export function floatStarts(groupStarts: Uint32Array, widths: readonly number[]): number[] {
  const starts = [0];
  for (let group = 0; group + 1 < groupStarts.length; group++) {
    const ids = groupStarts[group + 1] - groupStarts[group];
    starts.push(starts[group] + ids * widths[group % widths.length]);
  }
  return starts;
}

/** Starts of one shard's classes, counted from its first id; its ids begin at `groupStarts[shard · classes]`. */
export function classStartsOf(
  groupStarts: Uint32Array,
  shard: number,
  classes: number,
): Uint32Array<ArrayBuffer> {
  const from = shard * classes;
  return groupStarts.slice(from, from + classes + 1).map((start) => start - groupStarts[from]);
}
