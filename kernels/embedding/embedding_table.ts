/**
 * A training table: weights and optimizer state of every admitted feature id, in a WASM memory of
 * its own. Ids and floats cross into that memory as whole arrays, never element by element.
 */
import type { FeatureIds, TableOptions } from "./options.ts";
import { encodeTableOptions } from "./table_encoding.ts";
import { type RestoreSelection, TableRestore } from "./table_restore.ts";
import {
  savedRowBytes,
  type SnapshotHeader,
  type SnapshotSchema,
  snapshotSchema,
} from "./table_snapshot.ts";
import { SnapshotWriter } from "./snapshot_writer.ts";
import { TableDeltas } from "./table_deltas.ts";
import { TableReader } from "./table_reader.ts";
import { SliceRates } from "./slice_rates.ts";
import { KernelMemory } from "./kernel_memory.ts";
import { requireAccepted } from "./kernel_refusals.ts";
import {
  readEntriesPerBucket,
  readTableStatistics,
  type TableStatistics,
} from "./table_statistics.ts";

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
  /** Changes of the rows, for serving replicas and copies. */
  readonly deltas: TableDeltas;
  /** All rows and counters. */
  readonly reader: TableReader;
  readonly snapshots: SnapshotWriter;
  readonly #memory: KernelMemory;
  readonly #rates: SliceRates;
  readonly #schema: SnapshotSchema;

  private constructor(memory: KernelMemory, options: TableOptions, width: number) {
    this.#rates = new SliceRates(options.slices, (number, scale) => {
      requireAccepted(
        `scale the learning rate of "${options.slices[number].name}" by ${scale}`,
        memory.kernel.table_set_learning_rate_scale(number, scale),
      );
    });
    this.#memory = memory;
    this.options = options;
    this.width = width;
    const words = requireAccepted("read the layout", memory.kernel.table_layout());
    this.#schema = snapshotSchema(options, memory.words(words));
    const rowBytes = savedRowBytes(this.#schema);
    const { servedPrecision = "fp32" } = options;
    this.deltas = new TableDeltas(memory, width, servedPrecision, rowBytes);
    this.reader = new TableReader(memory, width, servedPrecision, rowBytes);
    this.snapshots = new SnapshotWriter(memory, this.#schema);
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
    const width = requireAccepted(
      "make an embedding table",
      memory.kernel.table_create(words.length),
    );
    return new EmbeddingTable(memory, options, width);
  }

  /**
   * Copies the weights of ids. A row whose expiry has passed counts as absent.
   *
   * @param ids Distinct or not, shape `[ids]`.
   * @param out Shape `[ids, width]`.
   * @param missing Value of an absent id: zeros, or the initial value of its row, for ids that are
   *   about to be updated: an update of the same ids in the same order finds their rows faster.
   * @param found Set to 1 for ids that have a row, shape `[ids]`.
   * @throws {RangeError} When shapes do not fit.
   */
  lookup(
    ids: FeatureIds,
    out: Float32Array,
    missing: "zeros" | "initial",
    found?: Uint8Array,
  ): void {
    this.#floatsOf("look up", ids, out);
    const { kernel } = this.#memory;
    // An update recognises the ids of a call.
    const learns = missing === "initial";
    this.#memory.lookUp(
      { ids, width: this.width, out, found, isWhole: learns },
      (count) => requireAccepted("look up", kernel.table_lookup(count, Number(learns))),
    );
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
    requireAccepted("apply gradients", memory.kernel.table_apply_gradients(ids.length, seconds));
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
    requireAccepted("assign rows", memory.kernel.table_assign(ids.length, seconds));
  }

  /**
   * Examines the next `bucketsMax` × 16 rows, continuing around the table over calls, and evicts
   * the expired ones. Every consumer of deltas gets their ids as tombstones.
   *
   * @returns Number of rows evicted.
   */
  evictExpired(bucketsMax: number): number {
    return requireAccepted(
      "evict expired rows",
      this.#memory.kernel.table_evict_expired(bucketsMax),
    );
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
    return requireAccepted("remove rows", memory.kernel.table_remove(ids.length));
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
   * Prepares to restore a snapshot, of this schema or another, and of any number of shards. Rows
   * that the table has already are overwritten.
   */
  restore(header: SnapshotHeader, selection: RestoreSelection): TableRestore {
    this.#rates.resumeAt(header.updates);
    return new TableRestore(this.#memory, this.#schema, header, selection);
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
   * Contents of the table and running counts.
   *
   * @param thorough Adds the displacement counts, which visit every row.
   */
  statistics(thorough = false): TableStatistics {
    return readTableStatistics(this.#memory, thorough);
  }

  /** Number of buckets of the index that hold 0, 1, … 10 entries; visits every bucket. */
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
