/**
 * A training table: weights and optimizer state of every admitted feature id, in a WASM memory of
 * its own. Ids and floats cross into that memory as whole arrays, never element by element.
 */
import type { FeatureIds, TableOptions } from "./options.ts";
import { encodeTableOptions } from "./table_encoding.ts";
import {
  type ChunkKind,
  REMOVED_ID_BYTES,
  type RestoreSelection,
  SAVED_LINE_BYTES,
  savedRowBytes,
  type SnapshotChanges,
  type SnapshotChunk,
  type SnapshotHeader,
  type SnapshotKind,
  type SnapshotSchema,
  snapshotSchema,
  TableRestore,
} from "./table_snapshot.ts";
import { SliceRates } from "./slice_rates.ts";
import { KernelMemory } from "./kernel_memory.ts";
import { accepted } from "./kernel_refusals.ts";
import {
  readEntriesPerBucket,
  readTableStatistics,
  type TableStatistics,
} from "./table_statistics.ts";

/**
 * Changed rows and removed ids, numbered without gaps per consumer. All arrays own their buffers.
 */
export interface TableDelta {
  /** From 1, one more than the consumer's previous delta. */
  readonly sequence: number;
  readonly ids: FeatureIds;
  /** Weights, shape `[ids, width]`. */
  readonly rows: Float32Array<ArrayBuffer>;
  /** Removed ids; none of them is in `ids`. */
  readonly tombstones: FeatureIds;
  /** CRC-32C over ids, rows and tombstones as little-endian bytes. */
  readonly checksum: number;
}

/** A page of rows. */
export interface ExportedRows {
  readonly ids: FeatureIds;
  /** Weights, shape `[ids, width]`. */
  readonly rows: Float32Array<ArrayBuffer>;
  /** Argument for the next page. */
  readonly cursor: number;
  readonly done: boolean;
}

/** Whole rows, with the state of their optimizers, for another training table. */
export interface SavedRows {
  readonly rows: number;
  /** Saved rows, one after another. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** CRC-32C of `bytes`. */
  readonly checksum: number;
}

/** A page of whole rows. */
export interface SavedPage extends SavedRows {
  /** Argument for the next page. */
  readonly cursor: number;
  readonly done: boolean;
}

/** Whole rows that changed and ids that were removed, numbered without gaps per consumer. */
export interface SavedDelta extends SavedRows {
  /** From 1, one more than the consumer's previous delta. */
  readonly sequence: number;
  /** Removed ids; no row of the delta has one of them. */
  readonly tombstones: FeatureIds;
}

/** A number that tables with the same rows have in common, whatever the order of the rows. */
export interface TableDigest {
  readonly rows: number;
  /** Sum of a hash of each row's id, time of update, weights and optimizer state; 64 bits. */
  readonly digest: bigint;
}

/** Handles that one call of the kernel digests. */
const DIGEST_HANDLES = 2_048;

/** Contents of a chunk by the kernel's code. */
const CHUNK_KINDS: readonly ChunkKind[] = ["rows", "counters", "removed"];

/** Statuses of the kernel's `table_take_delta`. */
const NOTHING_NEW = 0;
const OVERFLOWED = 2;

/**
 * Rows of one table by feature id.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { EmbeddingTable } from "./embedding_table.ts";
 *
 * const table = EmbeddingTable.create({
 *   seed: 1,
 *   slices: [{
 *     name: "embeddings",
 *     dim: 2,
 *     initializer: { kind: "zeros" },
 *     optimizer: { kind: "sgd", learningRate: 0.1 },
 *   }],
 *   slots: [],
 *   bytesMax: 1 << 24,
 *   atLimit: "reject",
 * });
 * const ids = BigUint64Array.of(42n);
 * table.applyGradients(ids, Float32Array.of(1, -2), Uint32Array.of(1), 0);
 *
 * const rows = new Float32Array(table.width);
 * table.lookup(ids, rows, "zeros");
 * assert.deepEqual([...rows], [...Float32Array.of(-0.1, 0.2)]);
 * ```
 */
export class EmbeddingTable {
  /** Weights of a row: the sum of its slices' dims. */
  readonly width: number;
  readonly options: TableOptions;
  readonly #memory: KernelMemory;
  readonly #rates: SliceRates;
  #savedRowSize: number | undefined;

  private constructor(memory: KernelMemory, options: TableOptions, width: number) {
    this.#rates = new SliceRates(options.slices, (number, scale) => {
      accepted(
        `scale the learning rate of "${options.slices[number].name}" by ${scale}`,
        memory.kernel.table_set_learning_rate_scale(number, scale),
      );
    });
    this.#memory = memory;
    this.options = options;
    this.width = width;
  }

  /**
   * An empty table.
   *
   * @throws {RangeError} When an option is out of range or `bytesMax` does not hold one page.
   */
  static create(options: TableOptions): EmbeddingTable {
    const memory = new KernelMemory();
    const words = encodeTableOptions(options);
    memory.words(words.length).set(words);
    const width = accepted("make an embedding table", memory.kernel.table_create(words.length));
    return new EmbeddingTable(memory, options, width);
  }

  /**
   * Copies the weights of ids. A row whose expiry has passed counts as absent.
   *
   * @param ids Distinct or not, shape `[ids]`.
   * @param out Shape `[ids, width]`.
   * @param missing Value of an absent id: zeros, or the initial value of its row.
   * @param found Set to 1 for ids that have a row, shape `[ids]`.
   * @throws {RangeError} When shapes do not fit.
   */
  lookup(
    ids: FeatureIds,
    out: Float32Array,
    missing: "zeros" | "initial",
    found?: Uint8Array,
  ): void {
    const floats = this.#floatsOf("look up", ids, out);
    const memory = this.#memory;
    memory.reserve({ ids: ids.length, floats, bytes: ids.length });
    memory.ids(ids.length).set(ids);
    accepted("look up", memory.kernel.table_lookup(ids.length, Number(missing === "initial")));
    out.set(memory.floats(floats));
    found?.set(memory.bytes(ids.length));
  }

  /**
   * Applies one gradient to each id. An absent id is admitted first, by the rule of its slot, and
   * its row starts with the initial value; the gradient of an id that is not admitted is dropped
   * and counted.
   *
   * @param ids Distinct, shape `[ids]`.
   * @param gradients Summed over duplicates, shape `[ids, width]`. A row that is not finite, or 2⁵⁰
   *   or more once clipped, is rejected and counted.
   * @param counts Occurrences of each id in the batch, shape `[ids]`.
   * @param dataSeconds Data clock; expiry is measured from the newest time seen.
   * @throws {RangeError} When shapes do not fit.
   */
  applyGradients(
    ids: FeatureIds,
    gradients: Float32Array,
    counts: Uint32Array,
    dataSeconds: number,
  ): void {
    const floats = this.#floatsOf("apply gradients", ids, gradients);
    if (counts.length !== ids.length) {
      throw new RangeError(
        `Cannot apply gradients: ${counts.length} counts for ${ids.length} ids`,
      );
    }
    this.#rates.nextBatch();
    const memory = this.#memory;
    memory.reserve({ ids: ids.length, floats, counts: ids.length });
    memory.ids(ids.length).set(ids);
    memory.floats(floats).set(gradients);
    memory.counts(ids.length).set(counts);
    const seconds = wholeSeconds(dataSeconds);
    accepted("apply gradients", memory.kernel.table_apply_gradients(ids.length, seconds));
  }

  /**
   * Sets weights, whether the ids are admitted or not; the optimizer state of a new row is the
   * initial one. The last row of an id counts.
   *
   * @param rows Shape `[ids, width]`.
   */
  assign(ids: FeatureIds, rows: Float32Array, dataSeconds: number): void {
    const floats = this.#floatsOf("assign rows", ids, rows);
    const memory = this.#memory;
    memory.reserve({ ids: ids.length, floats });
    memory.ids(ids.length).set(ids);
    memory.floats(floats).set(rows);
    const seconds = wholeSeconds(dataSeconds);
    accepted("assign rows", memory.kernel.table_assign(ids.length, seconds));
  }

  /**
   * Examines the next `bucketsMax` × 16 rows, continuing around the table over calls, and evicts
   * the expired ones. Every consumer of deltas gets their ids as tombstones.
   *
   * @returns Number of rows evicted.
   */
  evictExpired(bucketsMax: number): number {
    return accepted("evict expired rows", this.#memory.kernel.table_evict_expired(bucketsMax));
  }

  /**
   * Starts recording changes for a consumer; a consumer that had begun starts over. It reads the
   * current rows by {@link exportRows}, and its deltas, from number 1 on, carry later changes.
   *
   * @param consumer 0 or 1.
   */
  beginDeltas(consumer: number): void {
    accepted(
      `begin deltas for consumer ${consumer}`,
      this.#memory.kernel.table_begin_deltas(consumer),
    );
  }

  /**
   * The consumer's next delta, `undefined` if nothing is new. The table keeps a delta until a later
   * call acknowledges its sequence; a call without that returns the same delta. "overflowed" if
   * more ids were removed than the consumer's queue of tombstones holds: it has to {@link
   * beginDeltas} again.
   *
   * @param consumer 0 or 1, one that has begun.
   * @param acknowledged Highest sequence that the consumer has applied, 0 at first.
   * @param rowsMax Bounds rows, and tombstones, of one delta.
   */
  takeDelta(
    consumer: number,
    acknowledged: number,
    rowsMax: number,
  ): TableDelta | "overflowed" | undefined {
    const memory = this.#memory;
    const status = accepted(
      `take a delta for consumer ${consumer}`,
      memory.kernel.table_take_delta(consumer, acknowledged, rowsMax),
    );
    if (status === NOTHING_NEW) return undefined;
    if (status === OVERFLOWED) return "overflowed";
    const [sequence, rows, removed, checksum] = memory.words(4);
    return {
      sequence,
      ids: memory.ids(rows).slice(),
      rows: memory.floats(rows * this.width).slice(),
      tombstones: memory.removed(removed).slice(),
      checksum,
    };
  }

  /**
   * All rows in pages, in the order of their handles. A row that exists from the first page to the
   * last is returned exactly once, however the table grows meanwhile.
   *
   * @param cursor 0 for the first page.
   */
  exportRows(cursor: number, rowsMax: number): ExportedRows {
    const memory = this.#memory;
    accepted("export rows", memory.kernel.table_export_rows(cursor, rowsMax));
    const [rows, next, done] = memory.words(3);
    return {
      ids: memory.ids(rows).slice(),
      rows: memory.floats(rows * this.width).slice(),
      cursor: next,
      done: done === 1,
    };
  }

  /** Stops recording changes for a consumer that needs no more deltas. */
  endDeltas(consumer: number): void {
    accepted(`end deltas for consumer ${consumer}`, this.#memory.kernel.table_end_deltas(consumer));
  }

  /**
   * As {@link takeDelta}, with whole rows. A consumer takes all its deltas in one of both forms.
   */
  takeSavedDelta(
    consumer: number,
    acknowledged: number,
    rowsMax: number,
  ): SavedDelta | "overflowed" | undefined {
    const memory = this.#memory;
    const status = accepted(
      `take a delta of whole rows for consumer ${consumer}`,
      memory.kernel.table_take_saved_delta(consumer, acknowledged, rowsMax),
    );
    if (status === NOTHING_NEW) return undefined;
    if (status === OVERFLOWED) return "overflowed";
    const [sequence, rows, removed, checksum] = memory.words(4);
    return {
      sequence,
      rows,
      bytes: memory.bytes(rows * this.#savedRowBytes).slice(),
      tombstones: memory.removed(removed).slice(),
      checksum,
    };
  }

  /** As {@link exportRows}, with whole rows. */
  exportSaved(cursor: number, rowsMax: number): SavedPage {
    const memory = this.#memory;
    accepted("export whole rows", memory.kernel.table_export_saved(cursor, rowsMax));
    const [rows, next, done, checksum] = memory.words(4);
    const bytes = memory.bytes(rows * this.#savedRowBytes).slice();
    return { rows, bytes, checksum, cursor: next, done: done === 1 };
  }

  /**
   * The admission counters in chunks, as a snapshot holds them. They are of one moment only where
   * no update comes between the chunks.
   */
  *exportCounters(linesMax: number): Generator<SnapshotChunk> {
    const memory = this.#memory;
    for (let cursor = 0, done = false; !done;) {
      const { kernel } = memory;
      accepted("export counters", kernel.table_export_counters(cursor, linesMax));
      const [lines, next, isLast, checksum] = memory.words(4);
      if (lines > 0) {
        const bytes = memory.bytes(lines * SAVED_LINE_BYTES).slice();
        yield { holds: "counters", rows: 0, bytes, checksum };
      }
      [cursor, done] = [next, isLast === 1];
    }
  }

  /** The header that a full snapshot of this moment would have. */
  moment(): SnapshotHeader {
    const memory = this.#memory;
    accepted("read the moment", memory.kernel.table_moment());
    const [rows, clockSeconds, draws, newestGeneration] = memory.words(4);
    return {
      schema: this.#schema(),
      kind: "full",
      rows,
      removed: 0,
      rowsInTable: rows,
      clockSeconds,
      draws,
      newestGeneration,
      emptiedGenerations: 0,
    };
  }

  /** The digest of all rows; visits every row. */
  digest(): TableDigest {
    const memory = this.#memory;
    let [rows, digest] = [0, 0n];
    // In parts: the engine compiles a function better after some calls, not within one.
    for (let cursor = 0, done = 0; done === 0;) {
      accepted("digest the rows", memory.kernel.table_digest(cursor, DIGEST_HANDLES));
      let part, low, high;
      [part, low, high, cursor, done] = memory.words(5);
      rows += part;
      digest += (BigInt(high) << 32n) | BigInt(low);
    }
    return { rows, digest: BigInt.asUintN(64, digest) };
  }

  /**
   * Removes rows, and the occurrences of ids without a row. Every consumer of deltas gets the ids
   * of the rows as tombstones.
   *
   * @returns Number of rows removed.
   */
  remove(ids: FeatureIds): number {
    const memory = this.#memory;
    memory.ids(ids.length).set(ids);
    return accepted("remove rows", memory.kernel.table_remove(ids.length));
  }

  /**
   * Multiplies a slice's learning rate, on top of its schedule.
   *
   * @throws {RangeError} When there is no such slice.
   */
  setLearningRateScale(slice: string, scale: number): void {
    const number = this.options.slices.findIndex(({ name }) => name === slice);
    if (number < 0) {
      const names = this.options.slices.map(({ name }) => name).join(", ");
      throw new RangeError(`Cannot scale slice "${slice}": the table has ${names}`);
    }
    this.#rates.scale(number, scale);
  }

  /**
   * Makes this moment the cut of a snapshot, which {@link beginSnapshot} begins at once; a running
   * one is dropped.
   *
   * @param isStored Whether the snapshot of the last cut is stored. Changes before it are forgotten
   * then.
   * @returns The changes since the last stored snapshot.
   */
  cutSnapshot(isStored: boolean): SnapshotChanges {
    const memory = this.#memory;
    accepted("cut a snapshot", memory.kernel.table_snapshot_cut(Number(isStored)));
    const [known, rows, removed, lines] = memory.words(4);
    const bytes = rows * this.#savedRowBytes + removed * REMOVED_ID_BYTES +
      lines * SAVED_LINE_BYTES;
    return { known: known === 1, bytes };
  }

  /** Makes this moment a cut whose snapshot is stored: this table was restored from it. */
  settleSnapshot(): void {
    accepted("settle a snapshot", this.#memory.kernel.table_snapshot_settle());
  }

  /**
   * Starts the snapshot of the cut that was just made, and returns its header. Lookups and updates
   * may follow while it is written.
   *
   * @param kind Default: full, with a cut of its own.
   */
  beginSnapshot(kind?: SnapshotKind): SnapshotHeader {
    if (kind === undefined) this.cutSnapshot(false);
    const memory = this.#memory;
    accepted(
      "begin a snapshot",
      memory.kernel.table_snapshot_begin(Number(kind === "increment")),
    );
    const [rowsInTable, clockSeconds, draws, newestGeneration, rows, removed, emptiedGenerations] =
      memory.words(7);
    return {
      schema: this.#schema(),
      kind: kind ?? "full",
      rows,
      removed,
      rowsInTable,
      clockSeconds,
      draws,
      newestGeneration,
      emptiedGenerations,
    };
  }

  /**
   * The next chunk of the snapshot, as of its start: counters, then removed ids, then rows;
   * `undefined` after the last, which ends the snapshot.
   *
   * @param rowsMax Bounds rows, removed ids, or lines of counters, of 72 bytes.
   * @throws {RangeError} When no snapshot is under way, or updates outran it: rows that changed
   *   before they were written take more than a quarter of `bytesMax`. Start again with larger
   *   chunks, or shorter pauses between them.
   */
  nextSnapshotChunk(rowsMax: number): SnapshotChunk | undefined {
    const memory = this.#memory;
    const count = accepted("write a snapshot", memory.kernel.table_snapshot_next(rowsMax));
    if (count === 0) {
      this.endSnapshot();
      return undefined;
    }
    const [length, checksum, kind] = memory.words(3);
    const bytes = memory.bytes(length).slice();
    const holds = CHUNK_KINDS[kind];
    return { holds, rows: holds === "rows" ? count : 0, bytes, checksum };
  }

  /**
   * Share of the memory for rows copied aside that is in use, 0 to 1. At 1 the next changed row
   * outruns the snapshot. 0 without a snapshot.
   */
  get snapshotAsideShare(): number {
    accepted("look at a snapshot", this.#memory.kernel.table_snapshot_aside());
    return this.#memory.words(1)[0];
  }

  /** Ends the snapshot and frees its memory. */
  endSnapshot(): void {
    accepted("end a snapshot", this.#memory.kernel.table_snapshot_end());
  }

  /**
   * Prepares to restore a snapshot, of this schema or another, and of any number of shards. Rows
   * that the table has already are overwritten.
   */
  restore(header: SnapshotHeader, selection: RestoreSelection): TableRestore {
    this.#rates.resumeAt(header.draws);
    return new TableRestore(this.#memory, this.#schema(), header, selection);
  }

  /**
   * Moves the hard limit of the table's memory, but not below the bytes that it has claimed.
   *
   * @returns Bytes claimed.
   */
  limitMemory(bytesMax: number): number {
    return this.#memory.kernel.table_limit(Math.min(bytesMax, 0xffff_ffff)) >>> 0;
  }

  get #savedRowBytes(): number {
    return this.#savedRowSize ??= savedRowBytes(this.#schema());
  }

  #schema(): SnapshotSchema {
    const length = accepted("read the layout", this.#memory.kernel.table_layout());
    return snapshotSchema(this.options, this.#memory.words(length));
  }

  /**
   * Contents of the table and running counts.
   *
   * @param thorough Adds the displacement counts, which visit every row.
   */
  statistics(thorough = false): TableStatistics {
    return readTableStatistics(this.#memory, thorough);
  }

  /** Number of buckets of the index that hold 0, 1, … 16 entries; visits every bucket. */
  entriesPerBucket(): Float64Array {
    return readEntriesPerBucket(this.#memory);
  }

  #floatsOf(action: string, ids: FeatureIds, floats: Float32Array): number {
    const expected = ids.length * this.width;
    if (floats.length !== expected) {
      throw new RangeError(
        `Cannot ${action}: ${ids.length} ids of width ${this.width} need ${expected} floats, not ${floats.length}`,
      );
    }
    return expected;
  }
}

/** The data clock in the kernel's format. */
function wholeSeconds(seconds: number): number {
  return Math.max(0, Math.min(Math.floor(seconds), 0xffff_ffff));
}
