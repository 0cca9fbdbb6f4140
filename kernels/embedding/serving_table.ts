/**
 * The weights of a serving replica, stored compressed and read as float32: a table, and the tables
 * of all classes of rows (row_classes.ts) under one memory limit.
 */
import type { FeatureIds } from "./options.ts";
import { KernelMemory } from "./kernel_memory.ts";
import { requireAccepted } from "./kernel_refusals.ts";
import { type ClassIds, floatStarts, misfitOfIds } from "./row_classes.ts";
import {
  type Precision,
  precisionCodes,
  precisionOf,
  servedLength,
  type ServedWeights,
} from "./served_weights.ts";
import { SharedLimit } from "./shared_limit.ts";
import { readStoreStatistics, type StoreStatistics } from "./table_statistics.ts";

/** Width and precision of rows, and their memory limit. */
export interface ServingTableOptions {
  /** Weights of a row. */
  readonly width: number;
  readonly precision: Precision;
  /** Hard limit of the table's memory, bytes; at most 3 GiB are used. */
  readonly bytesMax: number;
}

/**
 * Weights of one shard by feature id, for reading.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { ServingTable } from "./serving_table.ts";
 *
 * const table = ServingTable.create({ width: 2, precision: "fp16", bytesMax: 1 << 24 });
 * table.upsert(BigUint64Array.of(42n), Float32Array.of(0.5, -0.25));
 *
 * const [rows, found] = [new Float32Array(4), new Uint8Array(2)];
 * table.lookup(BigUint64Array.of(42n, 43n), rows, found);
 * assert.deepEqual([...rows], [0.5, -0.25, 0, 0]);
 * assert.deepEqual([...found], [1, 0]);
 * ```
 */
export class ServingTable {
  readonly width: number;
  readonly #memory: KernelMemory;

  private constructor(memory: KernelMemory, options: ServingTableOptions) {
    this.#memory = memory;
    this.width = options.width;
  }

  /**
   * An empty table.
   *
   * @throws {RangeError} When the width is not 1 to 65,536 or `bytesMax` holds no page.
   */
  static create(options: ServingTableOptions): ServingTable {
    const memory = new KernelMemory();
    const { width, precision, bytesMax } = options;
    const code = precisionCodes[precision];
    requireAccepted(
      `make a serving table of width ${width} in ${bytesMax} bytes`,
      memory.kernel.serving_create(width, code, Math.min(bytesMax, 0xffff_ffff)),
    );
    return new ServingTable(memory, options);
  }

  /**
   * Gathers rows; absent ids give zeros and a 0 in `found`.
   *
   * @param ids Distinct or not, shape `[ids]`.
   * @param out Shape `[ids, width]`.
   * @param found Shape `[ids]`.
   * @returns Number of absent ids.
   * @throws {RangeError} When shapes do not fit.
   */
  lookup(ids: FeatureIds, out: Float32Array, found: Uint8Array): number {
    const floats = ids.length * this.width;
    if (out.length !== floats || found.length !== ids.length) {
      throw new RangeError(
        `Cannot look up ${ids.length} ids of width ${this.width}: out holds ${out.length} floats, found ${found.length}`,
      );
    }
    const { kernel } = this.#memory;
    return this.#memory.lookUp(
      { ids, width: this.width, out, found, isWhole: false },
      (count) => requireAccepted("look up", kernel.serving_lookup(count)),
    );
  }

  /**
   * Writes rows, new or not; the last row of an id counts.
   *
   * At the memory limit the table serves on: existing rows are written, new rows are left out. A
   * running fill first evicts rows that it has not written.
   *
   * @param rows Exact, or in the precision of this table.
   * @returns Number of rows left out.
   * @throws {RangeError} When shapes do not fit, or the precision is another one.
   */
  upsert(ids: FeatureIds, rows: ServedWeights | Float32Array): number {
    const precision = precisionOf(rows);
    if (rows.length !== servedLength(precision, ids.length, this.width)) {
      throw new RangeError(
        `Cannot write ${ids.length} ${precision} rows of width ${this.width} from ${rows.length} ` +
          "elements",
      );
    }
    const memory = this.#memory;
    if (rows instanceof Float32Array) {
      memory.reserve({ ids: ids.length, floats: rows.length });
      memory.ids(ids.length).set(ids);
      memory.floats(rows.length).set(rows);
      return requireAccepted("write rows", memory.kernel.serving_upsert(ids.length));
    }
    const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
    memory.reserve({ ids: ids.length, bytes: bytes.length });
    memory.ids(ids.length).set(ids);
    memory.bytes(bytes.length).set(bytes);
    return requireAccepted(
      `write ${precision} rows`,
      memory.kernel.serving_upsert_packed(ids.length, precisionCodes[precision]),
    );
  }

  /** Removes rows; absent ids are no error. Returns the number of rows removed. */
  remove(ids: FeatureIds): number {
    const memory = this.#memory;
    memory.ids(ids.length).set(ids);
    return requireAccepted("remove rows", memory.kernel.serving_remove(ids.length));
  }

  /**
   * Starts replacing all rows while they are served: {@link endFill} removes the rows that {@link
   * upsert} did not write in between. A running fill starts over.
   */
  beginFill(): void {
    requireAccepted("begin a fill", this.#memory.kernel.serving_begin_fill());
  }

  /** Removes the rows that were not written since {@link beginFill}; returns their number. */
  endFill(): number {
    return requireAccepted("end a fill", this.#memory.kernel.serving_end_fill());
  }

  /**
   * Moves the hard limit of the table's memory, but not below the bytes that it has claimed.
   *
   * @returns Bytes claimed.
   */
  limitMemory(bytesMax: number): number {
    return this.#memory.kernel.table_limit(Math.min(bytesMax, 0xffff_ffff)) >>> 0;
  }

  /**
   * Contents of the table.
   *
   * @param thorough Adds the displacement counts, which visit every row.
   */
  statistics(thorough = false): StoreStatistics {
    return readStoreStatistics(this.#memory, thorough);
  }
}

/** Widths of all classes, with the precision and the memory limit that they share. */
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
  readonly #precision: Precision;
  readonly #tables: readonly ServingTable[];
  readonly #limit: SharedLimit;
  #missing = 0;
  #rowsLeftOut = 0;

  /** @throws {RangeError} When `bytesMax` does not hold a page of each class. */
  constructor({ widths, precision, bytesMax }: ClassServingOptions) {
    const share = Math.floor(bytesMax / widths.length);
    this.#widths = widths;
    this.#precision = precision;
    this.#tables = widths.map((width) =>
      ServingTable.create({ width, precision, bytesMax: share })
    );
    this.#limit = new SharedLimit(bytesMax, this.#tables);
  }

  /** The error of ids that these tables cannot read; undefined for others. */
  misfitOfIds(grouped: ClassIds): RangeError | undefined {
    return misfitOfIds(grouped, this.#tables.length);
  }

  /** The error of rows that these tables cannot write; undefined for others. */
  misfitOfRows(rowClass: number, ids: FeatureIds, rows: ServedWeights): RangeError | undefined {
    const precision = precisionOf(rows);
    const width = this.#widths[rowClass] ?? NaN;
    const isKnown = precision === "fp32" || precision === this.#precision;
    if (isKnown && rows.length === servedLength(precision, ids.length, width)) return undefined;
    return new RangeError(
      `Cannot write ${ids.length} ${precision} rows of class ${rowClass} from ${rows.length} ` +
        `elements: the classes have widths ${this.#widths.join(", ")} and ${this.#precision} rows`,
    );
  }

  /**
   * Gathers rows, class after class; absent ids give zeros.
   *
   * @param grouped Ids without a misfit, see {@link misfitOfIds}.
   * @param spare An earlier result that is not read any more; its memory is used if it is large
   *   enough.
   */
  lookup({ ids, starts }: ClassIds, spare?: ServedRows): ServedRows {
    const classes = this.#tables.length;
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
  upsert(rowClass: number, ids: FeatureIds, rows: ServedWeights): number {
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

  /** Rows and bytes of all tables together. */
  statistics(): { readonly rows: number; readonly bytes: number } {
    return this.#tables.map((table) => table.statistics()).reduce(
      (sum, { rows, bytes }) => ({ rows: sum.rows + rows, bytes: sum.bytes + bytes }),
      { rows: 0, bytes: 0 },
    );
  }
}
