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
 * The matrix of a batch's lists, `[rows, rows]`: 1 where two rows are of one list, else 0.
 *
 * @param lists From {@link numberLists}; equal numbers are one list.
 */
export function listMatrix(lists: Float32Array, out: Float32Array<ArrayBuffer>): void {
  const rows = lists.length;
  for (let row = 0; row < rows; row++) {
    for (let other = 0; other < rows; other++) {
      out[row * rows + other] = lists[row] === lists[other] ? 1 : 0;
    }
  }
}
