/**
 * Lists of a batch: the rows of one ranking, which a list loss compares with each other.
 */

/**
 * Numbers the lists of a batch: each row gets the index of the first row of its ranking.
 *
 * @param rankings A hash of each row's ranking, `[rows]`; undefined = every row is a list.
 * @param out `[rows]`
 */
export function numberLists(
  rankings: ArrayLike<number> | undefined,
  out: Float32Array<ArrayBuffer>,
): void {
  const firstRows = new Map<number, number>();
  for (let row = 0; row < out.length; row++) {
    const first = rankings === undefined ? row : firstRows.get(rankings[row]) ?? row;
    if (first === row && rankings !== undefined) firstRows.set(rankings[row], row);
    out[row] = first;
  }
}

/**
 * The end of rows from `first` on that are trained together: `end`, or where it is inside a list,
 * the list's first row. Only a list that begins at `first` or before is cut.
 *
 * @param lists Number of each row's list; undefined = rows are not compared.
 * @param end At most the number of rows.
 */
export function endBetweenLists(
  lists: Float32Array | undefined,
  first: number,
  end: number,
): number {
  if (lists === undefined) return end;
  for (let row = end; row > first; row--) if (lists[row] !== lists[row - 1]) return row;
  return end;
}
