/**
 * Divides a batch into the parts that threads take as they become free.
 */
import type { TrainingBatch } from "./training_batch.ts";

/** Parts of a step for each thread, so that a thread that shares its core takes fewer. */
const PARTS_PER_THREAD = 3;
/**
 * Two parts of 256 rows take a third more core time than one of 512: each splits the weights and
 * writes their gradient.
 */
const PART_ROWS_MIN = 512;
/** Most rows of a part, unless there would be more than {@link PARTS_MAX}. */
const PART_ROWS_MAX = 1_024;
/** Bounds the memory of gradients, each as large as the weights. */
const PARTS_MAX = 64;

/**
 * The first row of each part of a batch. Depends on the arguments only, as must the order of sums.
 *
 * @param threads Threads that share the batch.
 * @param lists Number of each row's list. A list is cut only where it is longer than a part.
 */
export function partsOf(
  { rows, lists }: Pick<TrainingBatch, "rows" | "lists">,
  threads: number,
): number[] {
  const even = Math.ceil(rows / (PARTS_PER_THREAD * threads));
  const bounded = Math.min(PART_ROWS_MAX, Math.max(PART_ROWS_MIN, even));
  const partRows = Math.max(bounded, Math.ceil(rows / PARTS_MAX));
  const firstRows: number[] = [];
  for (let first = 0; first < rows;) {
    firstRows.push(first);
    first = lists === undefined
      ? first + partRows
      : endBetweenLists(lists, first, first + partRows);
  }
  return firstRows;
}

/** The last row in `(first, end]` that begins a list, or the end of the batch; else `end`. */
function endBetweenLists(lists: Float32Array, first: number, end: number): number {
  if (end >= lists.length) return lists.length;
  for (let row = end; row > first; row--) if (lists[row] !== lists[row - 1]) return row;
  return end;
}
