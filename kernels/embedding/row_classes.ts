/**
 * A class is the set of slots whose rows have the same layout: the same widths and kinds of
 * optimizer. Each class has a table of its own, so a slot with 4 weights does not pay for another's
 * 64, nor a slot with SGD for another's moments.
 *
 * Arrays of ids and rows go class after class: of n ids in classes of widths w, the first
 * `starts[1]` have rows of w₀ floats each, the next of w₁.
 */
import { divides } from "../../structures/group_starts.ts";
import type { FeatureIds } from "./options.ts";

/** The slots of a class, and the slices of its rows. */
export interface RowClass {
  /** Numbers of the slots. A slot that no class names belongs to the first class. */
  readonly slots: readonly number[];
  /** In the order of a row's floats. */
  readonly slices: readonly { readonly name: string; readonly dim: number }[];
}

/** The rows of a model's slots. */
export interface RowLayout {
  readonly classes: readonly RowClass[];
  /** Index of the class of each column of a batch, `[columns]`. */
  readonly classByColumn: readonly number[];
}

/** Ids, class after class. */
export interface ClassIds {
  readonly ids: FeatureIds;
  /** Ids of class c are those from `starts[c]` to `starts[c + 1]`. Shape `[classes + 1]`. */
  readonly starts: Uint32Array;
}

/** The error of ids that their starts do not divide among the classes; undefined where they do. */
export function misfitOfIds({ ids, starts }: ClassIds, classes: number): RangeError | undefined {
  if (divides(starts, classes, ids.length)) return undefined;
  return new RangeError(
    `${ids.length} ids cannot be read by the ${starts.length} class starts that came with them: ` +
      `there are ${classes} classes, whose starts ascend from 0 to the number of ids`,
  );
}

/** Position of the next page of rows. */
export interface ClassPosition {
  readonly class: number;
  readonly row: number;
}

/** The error of a position that tables of these classes have not given; undefined for others. */
export function misfitOfPosition(
  { class: number, row }: ClassPosition,
  classes: number,
): RangeError | undefined {
  const isClass = Number.isInteger(number) && number >= 0 && number < classes;
  if (isClass && Number.isInteger(row) && row >= 0 && row < 2 ** 32) return undefined;
  return new RangeError(
    `No page begins at row ${row} of class ${number}: there are ${classes} classes`,
  );
}

/** The error of a page of no rows; undefined for others. */
export function misfitOfPage(rowsMax: number): RangeError | undefined {
  if (Number.isInteger(rowsMax) && rowsMax > 0 && rowsMax < 2 ** 32) return undefined;
  return new RangeError(`A page of ${rowsMax} rows has no end: ask for one row or more`);
}

/** Weights in a row. */
export function widthOf({ slices }: Pick<RowClass, "slices">): number {
  return slices.reduce((sum, { dim }) => sum + dim, 0);
}

/** The slice that a model's histories read. */
export const EMBEDDINGS = "embeddings";

/** A slice that a model reads in the rows of a slot. */
export interface SliceOfSlot {
  /** Column of the slot. */
  readonly column: number;
  readonly slice: string;
  readonly dim: number;
}

/**
 * Index of the first float of a slice in the rows of a slot.
 *
 * @throws {Error} When the rows have no such slice, or one of another dim.
 */
export function floatOf(layout: RowLayout, { column, slice, dim }: SliceOfSlot): number {
  const { slices } = layout.classes[layout.classByColumn[column]];
  const number = slices.findIndex((each) => each.name === slice && each.dim === dim);
  if (number >= 0) return widthOf({ slices: slices.slice(0, number) });
  const rows = slices.map(({ name, dim }) => `${name}[${dim}]`).join(", ");
  throw new Error(
    `The model needs the slice ${slice}[${dim}] of slot ${column} and its embedding rows have ` +
      `${rows}; give the embeddings the slices that the model asks for.`,
  );
}

/**
 * Index of the first float of each group's rows; a group is the ids of one class on one shard.
 *
 * @param groupStarts Ids of group g, which is of class g mod classes, begin at `groupStarts[g]`.
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

/** Number of floats of the rows of one shard's ids, which are grouped by class. */
export function floatsOf(classStarts: Uint32Array, widths: readonly number[]): number {
  return widths.reduce((floats, width, i) => {
    return floats + (classStarts[i + 1] - classStarts[i]) * width;
  }, 0);
}

/**
 * Starts of one shard's classes, relative to the shard's first id, `groupStarts[shard · classes]`.
 */
export function classStartsOf(
  groupStarts: Uint32Array,
  shard: number,
  classes: number,
): Uint32Array<ArrayBuffer> {
  const from = shard * classes;
  // A loop makes one array, and `slice` and `map` one each.
  const starts = new Uint32Array(classes + 1);
  for (let i = 0; i <= classes; i++) starts[i] = groupStarts[from + i] - groupStarts[from];
  return starts;
}
