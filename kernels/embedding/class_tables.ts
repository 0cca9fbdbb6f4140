/**
 * The training rows of one shard: a table for each class of rows, under one memory limit, used like
 * one table. All classes share the numbering of deltas, snapshots are of one moment in all tables,
 * and restored rows go to the current table of their slot.
 */
import { CopySource, CopyTarget } from "./class_copy.ts";
import { ClassDeltas } from "./class_deltas.ts";
import { type ClassRestores, restoreClasses } from "./class_restore.ts";
import { ClassSnapshots } from "./class_snapshots.ts";
import { type ClassTablesStatistics, sumOf } from "./class_statistics.ts";
import { EmbeddingTable } from "./embedding_table.ts";
import type { FeatureIds, SliceOptions, SlotOptions, TableOptions } from "./options.ts";
import type { BufferPool } from "../../structures/buffer_pool.ts";
import {
  type ClassIds,
  type ClassPosition,
  floatsOf,
  floatStarts,
  misfitOfIds,
  misfitOfPosition,
} from "./row_classes.ts";
import { SharedLimit } from "./shared_limit.ts";
import type { ExportedRows } from "./table_reader.ts";
import type { RestoreSelection } from "./table_restore.ts";
import type { SnapshotHeader } from "./table_snapshot.ts";

/** Layout and optimizers of one class of rows. */
export interface ClassOptions {
  readonly slices: readonly SliceOptions[];
  /** All slots of the class; a slot that no class names is of the first. */
  readonly slots: readonly SlotOptions[];
}

export interface ClassTablesOptions
  extends Pick<TableOptions, "seed" | "atLimit" | "servedPrecision"> {
  /** Hard limit of the memory of all tables together, bytes. */
  readonly bytesMax: number;
  readonly classes: readonly ClassOptions[];
}

/** Position of an export, at which the next page begins. */
export interface ExportCursor {
  readonly class: number;
  readonly row: number;
}

export interface ClassPage extends Pick<ExportedRows, "ids" | "rows" | "done"> {
  /** The class of these rows. */
  readonly class: number;
  readonly cursor: ExportCursor;
}

/**
 * Tables by class, used like one table. Calls do not look at the arrays of ids: where they come
 * from another host, ask for a misfit before.
 */
export class ClassTables {
  /** Weights of a row, by class. */
  readonly widths: readonly number[];
  /** Changes of the rows, for serving. */
  readonly deltas: ClassDeltas;
  readonly snapshots: ClassSnapshots;
  readonly #tables: readonly EmbeddingTable[];
  readonly #limit: SharedLimit;
  readonly #bytesMax: number;

  private constructor(tables: readonly EmbeddingTable[], bytesMax: number) {
    this.#tables = tables;
    this.widths = tables.map(({ width }) => width);
    this.#limit = new SharedLimit(bytesMax, tables);
    this.#bytesMax = bytesMax;
    this.deltas = new ClassDeltas(tables);
    this.snapshots = new ClassSnapshots(tables, bytesMax);
  }

  /**
   * @throws {RangeError} When an option is out of range or `bytesMax` does not hold a page of each
   * class.
   */
  static create({ classes, bytesMax, ...shared }: ClassTablesOptions): ClassTables {
    const share = Math.floor(bytesMax / classes.length);
    const tables = classes.map((each) =>
      EmbeddingTable.create({ ...shared, ...each, bytesMax: share })
    );
    return new ClassTables(tables, bytesMax);
  }

  /** The error of ids that these tables cannot read; undefined for others. */
  misfitOfIds(grouped: ClassIds): RangeError | undefined {
    return misfitOfIds(grouped, this.#tables.length);
  }

  /** The error of a position that these tables have not given; undefined for others. */
  misfitOfPosition(position: ClassPosition | undefined): RangeError | undefined {
    return position && misfitOfPosition(position, this.#tables.length);
  }

  /** The error of an update whose arrays do not fit each other; undefined where they do. */
  misfitOfUpdate(
    grouped: ClassIds,
    gradients: Float32Array,
    counts: Uint32Array,
  ): RangeError | undefined {
    const misfit = this.misfitOfIds(grouped);
    if (misfit !== undefined) return misfit;
    const ids = grouped.ids.length;
    const floats = floatsOf(grouped.starts, this.widths);
    if (gradients.length === floats && counts.length === ids) return undefined;
    return new RangeError(
      `Cannot apply gradients: ${ids} ids in classes of widths ${this.widths.join(", ")} need ` +
        `${floats} floats and a count each, not ${gradients.length} and ${counts.length}`,
    );
  }

  /**
   * Weights of ids, class after class.
   *
   * @param missing Value of an absent id: zeros, or the initial value of its row.
   * @param buffers Source of the result's memory. Default: fresh memory.
   * @returns For n ids of class c, `[n, widths[c]]`, class after class, in an array of its own.
   */
  lookup(
    grouped: ClassIds,
    missing: "zeros" | "initial",
    buffers?: BufferPool,
  ): Float32Array<ArrayBuffer> {
    const floats = floatStarts(grouped.starts, this.widths);
    const length = floats[this.widths.length];
    const rows = buffers?.take(length) ?? new Float32Array(length);
    this.#eachClass(grouped, (table, ids, c) => {
      table.lookup(ids, rows.subarray(floats[c], floats[c + 1]), missing);
    });
    return rows;
  }

  /**
   * Applies one gradient to each id, see {@link EmbeddingTable.applyGradients}. The data clock
   * advances in all classes, so rows of a class without updates expire too.
   *
   * @param gradients In the shape that {@link lookup} returns.
   * @param counts Shape `[ids]`.
   */
  applyGradients(
    grouped: ClassIds,
    gradients: Float32Array,
    counts: Uint32Array,
    dataSeconds: number,
  ): void {
    const floats = floatStarts(grouped.starts, this.widths);
    this.#eachClass(grouped, (table, ids, c) => {
      const [from, to] = [grouped.starts[c], grouped.starts[c + 1]];
      const part = gradients.subarray(floats[c], floats[c + 1]);
      this.#during(
        c,
        () => table.applyGradients(ids, part, counts.subarray(from, to), dataSeconds),
      );
    });
  }

  /**
   * Sets the weights of ids, see {@link EmbeddingTable.assign}.
   *
   * @param rows In the shape that {@link lookup} returns.
   */
  assign(grouped: ClassIds, rows: Float32Array, dataSeconds: number): void {
    const floats = floatStarts(grouped.starts, this.widths);
    this.#eachClass(grouped, (table, ids, c) => {
      const part = rows.subarray(floats[c], floats[c + 1]);
      this.#during(c, () => table.assign(ids, part, dataSeconds));
    });
  }

  /**
   * Examines the next `bucketsMax` × 16 rows of each table; see {@link
   * EmbeddingTable.evictExpired}.
   */
  evictExpired(bucketsMax: number): number {
    return this.#tables.reduce(
      // A running snapshot copies evicted rows aside, up to a share of the limit.
      (sum, table, c) => sum + this.#during(c, () => table.evictExpired(bucketsMax)),
      0,
    );
  }

  /**
   * Removes rows, and the occurrences of ids without a row; see {@link EmbeddingTable.remove}.
   *
   * @returns Number of rows removed.
   */
  remove(grouped: ClassIds): number {
    let removed = 0;
    this.#eachClass(grouped, (table, ids, c) => {
      // A running snapshot copies removed rows aside, up to a share of the limit.
      if (ids.length > 0) removed += this.#during(c, () => table.remove(ids));
    });
    return removed;
  }

  /**
   * All rows in pages, class after class.
   *
   * @param cursor The previous page's cursor; absent for the first page.
   */
  exportRows(cursor: ExportCursor = { class: 0, row: 0 }, rowsMax: number): ClassPage {
    const { ids, rows, done, cursor: row } = this.#tables[cursor.class]
      .reader.rows(cursor.row, rowsMax);
    const last = cursor.class === this.#tables.length - 1;
    const next = done && !last ? { class: cursor.class + 1, row: 0 } : { ...cursor, row };
    return { class: cursor.class, ids, rows, cursor: next, done: done && last };
  }

  /** Multiplies a slice's learning rate in all classes that have it, on top of its schedule. */
  setLearningRateScale(slice: string, scale: number): void {
    for (const table of this.#tables) {
      if (!table.options.slices.some(({ name }) => name === slice)) continue;
      table.setLearningRateScale(slice, scale);
    }
  }

  /**
   * Prepares to restore a snapshot of these classes or others. Rows of slots that no class names
   * are dropped.
   *
   * @param headers By class of the snapshot.
   */
  restore(
    headers: readonly SnapshotHeader[],
    selection: Omit<RestoreSelection, "slots">,
  ): ClassRestores {
    return restoreClasses(this.#tables, this.#limit, headers, selection);
  }

  /** The rows and counters of these tables, for a copy that follows their changes. */
  copySource(): CopySource {
    return new CopySource(this.#tables);
  }

  /**
   * Fills these tables, which are empty, with a copy of others.
   *
   * @param headers The source's, from {@link CopySource.begin}.
   * @throws {RangeError} When the source has other classes, widths or optimizers.
   */
  copyTarget(headers: readonly SnapshotHeader[]): CopyTarget {
    return new CopyTarget(this.#tables, this.#limit, this.#bytesMax, headers);
  }

  /** Number of buckets of all indexes that hold 0, 1, … 10 entries; visits every bucket. */
  entriesPerBucket(): Float64Array {
    return this.#tables.map((table) => table.entriesPerBucket())
      .reduce((sum, buckets) => sum.map((count, entries) => count + buckets[entries]));
  }

  statistics(): ClassTablesStatistics {
    return sumOf(this.#tables.map((table) => table.statistics()));
  }

  /** Runs work that may change rows of a class or grow its table. */
  #during<Result>(c: number, work: () => Result): Result {
    return this.#limit.during(c, () => this.snapshots.during(c, work));
  }

  #eachClass(
    { ids, starts }: ClassIds,
    visit: (table: EmbeddingTable, ids: FeatureIds, number: number) => void,
  ): void {
    this.#tables.forEach((table, c) => {
      visit(table, ids.subarray(starts[c], starts[c + 1]), c);
    });
  }
}
