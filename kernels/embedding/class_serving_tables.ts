/**
 * The served rows of one shard: a table for each class of rows (row_classes.ts), under one memory
 * limit.
 */
import type { ClassIds } from "./class_tables.ts";
import type { FeatureIds } from "./options.ts";
import { floatStarts } from "./row_classes.ts";
import { ServingTable, type ServingTableOptions } from "./serving_table.ts";
import { SharedLimit } from "./shared_limit.ts";

export interface ClassServingOptions extends Pick<ServingTableOptions, "precision" | "bytesMax"> {
  /** Weights of a row, by class. */
  readonly widths: readonly number[];
}

/** Result of a lookup. */
export interface ServedRows {
  /** For n ids of class c `[n, widths[c]]`, class after class. */
  readonly rows: Float32Array<ArrayBuffer>;
  /** 1 where the id has a row, `[ids]`. */
  readonly found: Uint8Array<ArrayBuffer>;
}

/** Serving tables by class, used like one table. */
export class ClassServingTables {
  readonly #widths: readonly number[];
  readonly #tables: readonly ServingTable[];
  readonly #limit: SharedLimit;
  #missing = 0;
  #rowsLeftOut = 0;

  /** @throws {RangeError} When `bytesMax` does not hold a page of each class. */
  constructor({ widths, precision, bytesMax }: ClassServingOptions) {
    const share = Math.floor(bytesMax / widths.length);
    this.#widths = widths;
    this.#tables = widths.map((width) =>
      ServingTable.create({ width, precision, bytesMax: share })
    );
    this.#limit = new SharedLimit(bytesMax, this.#tables);
  }

  /**
   * Gathers rows, class after class; absent ids give zeros.
   *
   * @param spare An earlier result that is not read any more; its memory is used if it is large
   *   enough.
   * @throws {RangeError} When the ids are of other classes.
   */
  lookup({ ids, starts }: ClassIds, spare?: ServedRows): ServedRows {
    const classes = this.#tables.length;
    if (starts.length !== classes + 1 || starts[classes] !== ids.length) {
      throw new RangeError(
        `Cannot look up ${ids.length} ids by the class starts ${
          starts.join(", ")
        }: there are ${classes} classes`,
      );
    }
    const floats = floatStarts(starts, this.#widths);
    const rows = spare !== undefined && spare.rows.buffer.byteLength >= 4 * floats[classes]
      ? new Float32Array(spare.rows.buffer, 0, floats[classes])
      : new Float32Array(floats[classes]);
    const found = spare !== undefined && spare.found.buffer.byteLength >= ids.length
      ? new Uint8Array(spare.found.buffer, 0, ids.length)
      : new Uint8Array(ids.length);
    this.#tables.forEach((table, c) => {
      const [from, to] = [starts[c], starts[c + 1]];
      if (from === to) return;
      const part = rows.subarray(floats[c], floats[c + 1]);
      this.#missing += table.lookup(ids.subarray(from, to), part, found.subarray(from, to));
    });
    return { rows, found };
  }

  /** Absent ids looked up since the tables were made. */
  get missing(): number {
    return this.#missing;
  }

  /**
   * New rows left out at the memory limit since {@link beginFill}. Ids that were left out
   * repeatedly count each time, so it is an upper bound of the rows that are missing.
   */
  get rowsLeftOut(): number {
    return this.#rowsLeftOut;
  }

  /**
   * Writes rows of one class and returns how many were left out; see {@link ServingTable.upsert}.
   */
  upsert(rowClass: number, ids: FeatureIds, rows: Float32Array): number {
    const leftOut = this.#limit.during(rowClass, () => this.#tables[rowClass].upsert(ids, rows));
    this.#rowsLeftOut += leftOut;
    return leftOut;
  }

  /** Removes rows of one class; absent ids are no error. */
  remove(rowClass: number, ids: FeatureIds): void {
    this.#tables[rowClass].remove(ids);
  }

  /**
   * Starts replacing the rows of all classes while they are served; see {@link
   * ServingTable.beginFill}.
   */
  beginFill(): void {
    this.#rowsLeftOut = 0;
    for (const table of this.#tables) table.beginFill();
  }

  /** Removes the rows that were not written since {@link beginFill}. */
  endFill(): void {
    for (const table of this.#tables) table.endFill();
  }

  statistics(): { readonly rows: number; readonly bytes: number } {
    return this.#tables.map((table) => table.statistics()).reduce(
      (sum, { rows, bytes }) => ({ rows: sum.rows + rows, bytes: sum.bytes + bytes }),
      { rows: 0, bytes: 0 },
    );
  }
}
