/**
 * The order of a ranking's rows, and its items in that order.
 */
import { present } from "../../structures/invariant.ts";
import { MemorySlab } from "../../structures/memory_slab.ts";
import type { MovedItem } from "../../records/event_record.ts";
import type { MovedNewItem } from "../../rules/new_item_positions.ts";
import type { Scores } from "../scorer/protocol.ts";
import type { FoundCandidates } from "./candidate_search.ts";
import type { Rank, RankedItem } from "./protocol.ts";

/** Bound of the candidates of a request: a row's index fits into the low bits of a sort key. */
const ROWS_MAX = 2 ** 20;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);
let keyMemory = new Float64Array(0);
const slab = new MemorySlab();

/**
 * Row indices by score, best first; equal scores keep the caller's order, and NaN comes last.
 *
 * Packs (rank of the score, row) into one float64, so that a numeric sort without a comparator
 * gives a stable order.
 *
 * @throws {RangeError} Beyond 2^20 rows.
 */
export function orderByScore(scores: Float32Array): Uint32Array {
  const rows = scores.length;
  if (rows > ROWS_MAX) throw new RangeError(`Cannot order more than ${ROWS_MAX} rows`);
  if (keyMemory.length < rows) keyMemory = new Float64Array(2 * rows);
  const keys = keyMemory.subarray(0, rows);
  for (let row = 0; row < rows; row++) {
    float[0] = scores[row] + 0; // -0 is 0
    // As integers, the bits of positive floats ascend with the value; those of negatives descend.
    const descending = bits[0] >>> 31 === 1 ? bits[0] : 0x7fff_ffff - bits[0];
    const rank = Number.isNaN(scores[row]) ? 2 ** 32 : descending;
    keys[row] = rank * ROWS_MAX + row;
  }
  keys.sort();
  const order = slab.words(rows);
  for (let i = 0; i < rows; i++) order[i] = keys[i] % ROWS_MAX;
  return order;
}

/** The candidates of `rows`, in that order. */
export function rankedItems(
  { candidates }: Rank,
  { scores, predictions, cold }: Scores,
  rows: Uint32Array,
  taskNames: readonly string[],
): RankedItem[] {
  const tasks = taskNames.length;
  const items = new Array<RankedItem>(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    const { id } = candidates[row];
    const item = { id, score: scores[row], cold: cold[row] === 1 };
    items[i] = tasks === 1 ? item : { ...item, predictions: byTask(predictions, row, taskNames) };
  }
  return items;
}

function byTask(
  predictions: Float32Array,
  row: number,
  taskNames: readonly string[],
): Record<string, number> {
  const first = row * taskNames.length;
  return Object.fromEntries(
    taskNames.map((name, task) => [name, predictions[first + task]] as const),
  );
}

/** Rows of the candidates that the caller shows, in its order; undefined if it shows the answer. */
export function rowsOfShown({ candidates, shown }: Rank): Uint32Array | undefined {
  if (shown === undefined) return undefined;
  const rowOf = new Map(candidates.map(({ id }, row) => [id, row]));
  return Uint32Array.from(shown, (id) => present(rowOf.get(id), "a shown item is a candidate"));
}

/** The items with where they come from and how similar they are. */
export function withOrigin(
  items: readonly RankedItem[],
  rows: Uint32Array,
  { sources, similarity }: FoundCandidates,
): RankedItem[] {
  return items.map((item, i) => ({
    ...item,
    sources: sources[rows[i]],
    ...(similarity && { similarity: similarity[rows[i]] }),
  }));
}

/** The items that a rule moved, by their positions among the rows that are shown. */
export function movedItems(moved: readonly MovedNewItem[], rows: Uint32Array): MovedItem[] {
  return moved
    .map(({ row, chance }) => ({ index: rows.indexOf(row), chance }))
    .filter(({ index }) => index >= 0);
}
