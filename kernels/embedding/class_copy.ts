/**
 * A copy of a shard's tables that follows their changes, for a move to another host: first all rows
 * in pages, while training goes on, then the rows that changed since, until few are left, and at
 * last, while the source takes no updates, the rest with the admission counters and a digest. A row
 * is copied whole, with the state of its optimizers.
 *
 * Both sides have the same classes. The target may take a quarter more memory than its limit while
 * it is filled: it holds rows of different moments, and must not evict one of them for another.
 */
import { invariant } from "../../structures/invariant.ts";
import type { EmbeddingTable } from "./embedding_table.ts";
import { misfitOfPosition } from "./row_classes.ts";
import type { SavedDelta } from "./table_deltas.ts";
import type { SavedPage, SavedRows, TableDigest } from "./table_reader.ts";
import type { SharedLimit } from "./shared_limit.ts";
import type { TableRestore } from "./table_restore.ts";
import type { SnapshotChunk, SnapshotHeader } from "./table_snapshot.ts";

/** The consumer of changes for the copy; see `TableDeltas.takeSaved`. */
const CONSUMER = 1;
/** Divisor of the memory limit: the part that a target may take on top of it. */
const HEADROOM_SHARE = 4;
/** Lines of admission counters in a chunk, of 72 bytes each. */
const COUNTER_LINES = 16_384;

/** Position of the next page. */
export interface CopyCursor {
  readonly class: number;
  readonly row: number;
}

/** Whole rows of one class. */
export interface CopyPage extends SavedRows {
  readonly class: number;
  readonly cursor: CopyCursor;
  readonly done: boolean;
}

/** Changes of all classes since the last ones that the target has applied. */
export interface CopyChanges {
  /** Changes by class; undefined where nothing changed. */
  readonly classes: readonly (SavedDelta | undefined)[];
  readonly rows: number;
}

/** The end of a copy: everything that is not a row, and the proof that the rows are the same. */
export interface CopyEnd {
  /** By class. */
  readonly headers: readonly SnapshotHeader[];
  readonly counters: readonly (readonly SnapshotChunk[])[];
  readonly digests: readonly TableDigest[];
}

/** The copy differs from its source, and must not replace it. */
export class CopyDiffersError extends Error {
  override readonly name = "CopyDiffersError";
}

/** The tables that are copied. */
export class CopySource {
  readonly #tables: readonly EmbeddingTable[];

  constructor(tables: readonly EmbeddingTable[]) {
    this.#tables = tables;
  }

  /** The error of a position that this copy has not given; undefined for others. */
  misfitOfPosition(position: CopyCursor | undefined): RangeError | undefined {
    return position && misfitOfPosition(position, this.#tables.length);
  }

  /** The error of sequences of other classes; undefined for others. */
  misfitOfApplied({ length }: readonly number[]): RangeError | undefined {
    const classes = this.#tables.length;
    if (length === classes) return undefined;
    return new RangeError(`Cannot copy changes of ${length} classes: there are ${classes}`);
  }

  /** Records changes from now on. A copy that was begun before loses them. */
  begin(): SnapshotHeader[] {
    for (const table of this.#tables) table.deltas.begin(CONSUMER);
    return this.#tables.map((table) => table.snapshots.moment());
  }

  /** @param cursor The previous page's; absent for the first page. */
  page(cursor: CopyCursor = { class: 0, row: 0 }, rowsMax: number): CopyPage {
    const page: SavedPage = this.#tables[cursor.class].reader.savedRows(cursor.row, rowsMax);
    const { rows, bytes, checksum, done } = page;
    const isLast = cursor.class === this.#tables.length - 1;
    const next = done && !isLast
      ? { class: cursor.class + 1, row: 0 }
      : { class: cursor.class, row: page.cursor };
    return { class: cursor.class, rows, bytes, checksum, cursor: next, done: done && isLast };
  }

  /**
   * The next changes; "overflowed" where more rows were removed than can be remembered: the copy
   * has to begin anew.
   *
   * @param applied By class, the sequence of the last changes that the target has applied, 0 at
   * first. Changes that it has not applied are given again.
   */
  changes(applied: readonly number[], rowsMax: number): CopyChanges | "overflowed" {
    const classes: (SavedDelta | undefined)[] = [];
    for (const [c, table] of this.#tables.entries()) {
      const delta = table.deltas.takeSaved(CONSUMER, applied[c], rowsMax);
      if (delta === "overflowed") return "overflowed";
      classes.push(delta);
    }
    const rows = classes.reduce(
      (sum, delta) => sum + (delta === undefined ? 0 : delta.rows + delta.tombstones.length),
      0,
    );
    return { classes, rows };
  }

  /** The end of the copy. The tables take no update between the last changes and this call. */
  end(): CopyEnd {
    return {
      headers: this.#tables.map((table) => table.snapshots.moment()),
      counters: this.#tables.map((table) => [...table.reader.counters(COUNTER_LINES)]),
      digests: this.#tables.map((table) => table.reader.digest()),
    };
  }

  /** Stops recording changes. */
  close(): void {
    for (const table of this.#tables) table.deltas.end(CONSUMER);
  }
}

/** The tables that become the copy. */
export class CopyTarget {
  readonly #tables: readonly EmbeddingTable[];
  readonly #limit: SharedLimit;
  readonly #bytesMax: number;
  readonly #restores: readonly TableRestore[];
  readonly #applied: number[];

  constructor(
    tables: readonly EmbeddingTable[],
    limit: SharedLimit,
    bytesMax: number,
    headers: readonly SnapshotHeader[],
  ) {
    if (headers.length !== tables.length) {
      throw new RangeError(
        `Cannot copy ${headers.length} classes of rows into ${tables.length}: both hosts need the ` +
          "same configuration",
      );
    }
    this.#tables = tables;
    this.#limit = limit;
    this.#bytesMax = bytesMax;
    this.#applied = tables.map(() => 0);
    limit.moveTo(bytesMax + Math.floor(bytesMax / HEADROOM_SHARE));
    this.#restores = this.#restoresOf(headers);
    this.#restores.forEach(({ report: { added, resized, removed, stateReset } }, c) => {
      const changed = [...added, ...resized, ...removed, ...stateReset];
      if (changed.length === 0) return;
      throw new RangeError(
        `Cannot copy the rows of class ${c}: ${changed.join(", ")} differ; both hosts need the ` +
          "same configuration",
      );
    });
  }

  /** By class, the sequence of the last changes that were applied. */
  get applied(): readonly number[] {
    return this.#applied;
  }

  /** @throws {CopyDiffersError} When a row does not fit. */
  takePage({ class: number, rows, bytes, checksum }: Omit<CopyPage, "cursor" | "done">): void {
    this.#takeRows(number, { rows, bytes, checksum });
  }

  /** @throws {CopyDiffersError} When a row does not fit. */
  takeChanges({ classes }: CopyChanges): void {
    for (const [c, delta] of classes.entries()) {
      if (delta === undefined || delta.sequence === this.#applied[c]) continue;
      invariant(delta.sequence === this.#applied[c] + 1, "changes of a copy follow each other");
      this.#limit.during(c, () => this.#tables[c].remove(delta.tombstones));
      this.#takeRows(c, delta);
      this.#applied[c] = delta.sequence;
    }
  }

  /**
   * Takes the end and compares both sides.
   *
   * @throws {CopyDiffersError} When a row is missing, is too many or differs.
   */
  finish({ headers, counters, digests }: CopyEnd): void {
    const restores = this.#restoresOf(headers);
    counters.forEach((chunks, c) => {
      for (const chunk of chunks) this.#limit.during(c, () => restores[c].take(chunk));
    });
    this.#tables.forEach((table, c) => {
      const [own, source] = [table.reader.digest(), digests[c]];
      if (own.rows === source.rows && own.digest === source.digest) return;
      throw new CopyDiffersError(
        `The copy of the rows of class ${c} has ${own.rows} rows with digest ` +
          `${own.digest.toString(16)}; its source has ${source.rows} with ` +
          `${source.digest.toString(16)}`,
      );
    });
    this.#limit.moveTo(this.#bytesMax);
  }

  #restoresOf(headers: readonly SnapshotHeader[]): TableRestore[] {
    return this.#tables.map((table, c) =>
      table.restore(headers[c], { shard: 0, shards: 1, counters: true })
    );
  }

  #takeRows(number: number, { rows, bytes, checksum }: SavedRows): void {
    if (rows === 0) return;
    const restore = this.#restores[number];
    const before = restore.report.rejected;
    this.#limit.during(number, () => restore.take({ holds: "rows", rows, bytes, checksum }));
    const rejected = restore.report.rejected - before;
    if (rejected === 0) return;
    throw new CopyDiffersError(
      `${rejected} rows of class ${number} do not fit into the copy: the target needs as much ` +
        "memory as the source",
    );
  }
}
