/**
 * Divides a batch into the parts that threads take as they become free. The first parts are large,
 * because each part splits the weights and writes their gradient; the last ones are small, so that
 * threads whose cores are not equally free end at about the same time.
 *
 * @see Polychronopoulos and Kuck, "Guided Self-Scheduling", IEEE Transactions on Computers, 1987
 */
import { endBetweenLists } from "./lists.ts";
import type { TrainingBatch } from "./training_batch.ts";

/** A batch up to this size is one part: two of 256 rows take a third more core time than one. */
const SINGLE_ROWS_MAX = 512;
/** A part has, for each thread, one row of so many that remain. */
const REMAINING_PER_THREAD = 1.5;
/** Fewest rows of a part but the last, which has up to half as many more. */
const PART_ROWS_MIN = 384;
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
  if (rows <= SINGLE_ROWS_MAX) return rows > 0 ? [0] : [];
  const most = Math.max(PART_ROWS_MAX, Math.ceil(rows / PARTS_MAX));
  const least = Math.max(PART_ROWS_MIN, Math.ceil(rows / PARTS_MAX));
  const firstRows: number[] = [];
  for (let first = 0; first < rows;) {
    firstRows.push(first);
    const remaining = rows - first;
    const guided = Math.ceil(remaining / (REMAINING_PER_THREAD * threads));
    const size = remaining <= 1.5 * least ? remaining : Math.min(most, Math.max(least, guided));
    first = endBetweenLists(lists, first, first + size);
  }
  return firstRows;
}
