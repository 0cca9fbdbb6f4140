/**
 * Values of slots of items: from logged rankings, and as a request sends them; and the features of
 * a user by such values.
 */
import type { SlotColumn, SlotValues } from "../../kernels/features/values_of_items.ts";
import type { ImpressionRowsReader } from "../../records/impression_rows_reader.ts";
import { divides } from "../../structures/group_starts.ts";
import type { NumberColumns, ReadMoment } from "./number_columns.ts";

/** The bits of an id's upper word that are not the slot number. */
const HIGH_BITS = 0xffff;
const HIGH_FACTOR = 2 ** 32;

/**
 * The values of slots in the rows of a ranking, by row and slot. They are found by the slot's
 * number in each id: rows of an earlier configuration may have a slot in another column, or lack
 * it.
 */
export function valuesOfRows(
  rows: ImpressionRowsReader,
  slots: readonly Pick<SlotColumn, "number">[],
): number[][][] {
  const { ids, listOffsets } = rows.features();
  const { slots: slotsLogged } = rows;
  const placeOf = new Map(slots.map(({ number }, place) => [number, place]));
  return Array.from({ length: rows.rows }, (_, row) => {
    const values = slots.map((): number[] => []);
    const end = listOffsets[(row + 1) * slotsLogged];
    for (let i = listOffsets[row * slotsLogged]; i < end; i++) {
      const high = ids[2 * i + 1];
      const place = placeOf.get(high >>> 16);
      if (place !== undefined) values[place].push((high & HIGH_BITS) * HIGH_FACTOR + ids[2 * i]);
    }
    return values;
  });
}

/** Reads the features of a user by the values of items. */
export class ValuesReader {
  /** Features of all slots. */
  readonly width: number;
  readonly #columns: readonly NumberColumns[];

  /** @param columns By slot. */
  constructor(columns: readonly NumberColumns[]) {
    this.#columns = columns;
    this.width = columns.reduce((sum, { names }) => sum + names.length, 0);
  }

  /** Whether the values have a list for each slot of these items. */
  canRead({ values, offsets }: SlotValues, items: number): boolean {
    return this.width === 0 || divides(offsets, items * this.#columns.length, values.length);
  }

  /**
   * Writes the features of each item. An item with several values of a slot has the mean of the
   * features of its values that are present; one without a value, the features of a value without
   * events.
   *
   * @param values Undefined = the user is kept elsewhere, or the values are unknown: NaN. {@link
   *   canRead} accepts them otherwise.
   */
  read(
    values: SlotValues | undefined,
    ofUser: readonly ReadonlyMap<number, number[]>[] | undefined,
    moment: ReadMoment,
    out: {
      readonly rows: number;
      readonly numbers: Float64Array;
      readonly width: number;
      readonly at: number;
    },
  ): void {
    if (this.width === 0) return;
    const { rows, numbers, width } = out;
    if (values === undefined) {
      for (let row = 0; row < rows; row++) {
        numbers.fill(NaN, row * width + out.at, row * width + out.at + this.width);
      }
      return;
    }
    const slots = this.#columns.length;
    const one = new Float64Array(this.width);
    const known = new Uint32Array(this.width);
    for (let row = 0; row < rows; row++) {
      let at = row * width + out.at;
      for (let slot = 0; slot < slots; slot++) {
        const columns = this.#columns[slot];
        const { length } = columns.names;
        const begin = values.offsets[row * slots + slot];
        const count = values.offsets[row * slots + slot + 1] - begin;
        if (count === 0) columns.read(undefined, moment, numbers, at);
        known.fill(0);
        for (let i = 0; i < count; i++) {
          columns.read(ofUser?.[slot].get(values.values[begin + i]), moment, one, 0);
          for (let j = 0; j < length; j++) {
            if (Number.isNaN(one[j])) continue;
            numbers[at + j] += one[j];
            known[j]++;
          }
        }
        for (let j = 0; count > 0 && j < length; j++) numbers[at + j] /= known[j];
        at += length;
      }
    }
  }
}
