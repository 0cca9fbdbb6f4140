/**
 * Restores a snapshot into a table of the same schema or another, and of any number of shards.
 */
import type { KernelMemory } from "./kernel_memory.ts";
import { requireAccepted } from "./kernel_refusals.ts";
import {
  REMOVED_ID_BYTES,
  savedRowBytes,
  type SnapshotChunk,
  type SnapshotHeader,
  type SnapshotSchema,
} from "./table_snapshot.ts";

/** The part of a snapshot that this table restores. */
export interface RestoreSelection {
  /** This table's shard among `shards`; 0 of 1 takes every row. */
  readonly shard: number;
  readonly shards: number;
  /** Slots of the schema; rows of other slots are dropped and counted. Absent = all. */
  readonly slots?: readonly number[];
  /**
   * Whether to restore the admission counters, which requires that the snapshot is of this very
   * shard. Default false. Counters of another size are dropped.
   */
  readonly counters?: boolean;
}

/** Outcome of a restore, for slices and rows. */
export interface RestoreReport {
  /** Slices whose weights were restored. */
  readonly restored: readonly string[];
  /** New slices, and slices whose dim changed; they get their initial values. */
  readonly added: readonly string[];
  readonly resized: readonly string[];
  /** Slices of the snapshot that this schema does not have. */
  readonly removed: readonly string[];
  /** Slices whose optimizer changed: their weights were restored, with a new state. */
  readonly stateReset: readonly string[];
  /**
   * Whether no occurrences were forgotten: counters were restored, or the snapshot or the table has
   * none.
   */
  readonly countersComplete: boolean;
  readonly rows: number;
  /** Rows of another shard, of a dropped slot, and without room. */
  readonly elsewhere: number;
  readonly dropped: number;
  readonly rejected: number;
  /** Rows removed because an increment says so. */
  readonly rowsRemoved: number;
}

/** Restores a snapshot's chunks into a table; made by `EmbeddingTable.restore`. */
export class TableRestore {
  readonly #memory: KernelMemory;
  readonly #plan: Float64Array<ArrayBuffer>;
  readonly #savedRowBytes: number;
  /** The newest generation of the restored counters; undefined = counters are not restored. */
  readonly #newestGeneration: number | undefined;
  #report: RestoreReport;

  constructor(
    memory: KernelMemory,
    schema: SnapshotSchema,
    header: SnapshotHeader,
    selection: RestoreSelection,
  ) {
    requireWhole(header);
    this.#memory = memory;
    this.#savedRowBytes = savedRowBytes(header.schema);
    const { runs, ...slices } = compare(header.schema, schema);
    const before = header.schema.countedIdsMax, now = schema.countedIdsMax;
    const takesCounters = selection.counters === true && before === now && now > 0;
    const countersComplete = takesCounters || before === 0 || now === 0;
    const counts = { rows: 0, elsewhere: 0, dropped: 0, rejected: 0, rowsRemoved: 0 };
    this.#report = { ...slices, countersComplete, ...counts };
    const { shard, shards, slots = [] } = selection;
    this.#plan = Float64Array.from([
      header.schema.floats,
      Number(header.schema.counted),
      shard,
      shards,
      runs.length,
      slots.length,
      ...runs.flat(),
      ...slots,
    ]);
    const { clockSeconds, updates, newestGeneration } = header;
    this.#newestGeneration = takesCounters ? newestGeneration : undefined;
    requireAccepted("restore a snapshot", memory.kernel.table_restore_begin(clockSeconds, updates));
    if (!takesCounters || header.kind === "full") return;
    requireAccepted(
      "restore an increment",
      memory.kernel.table_restore_emptied(newestGeneration, header.emptiedGenerations),
    );
  }

  /**
   * @throws {RangeError} When the chunk is not as it was written; then no row of it is restored.
   */
  take(chunk: SnapshotChunk): void {
    if (chunk.holds === "counters") return this.#takeCounters(chunk);
    if (chunk.holds === "removed") return this.#takeRemoved(chunk);
    if (chunk.bytes.length !== chunk.rows * this.#savedRowBytes) {
      throw new RangeError(
        `Cannot restore a chunk of ${chunk.rows} rows: it has ${chunk.bytes.length} bytes, ` +
          `expected ${this.#savedRowBytes} a row`,
      );
    }
    const memory = this.#memory;
    memory.reserve({ bytes: chunk.bytes.length });
    memory.words(this.#plan.length).set(this.#plan);
    memory.bytes(chunk.bytes.length).set(chunk.bytes);
    requireAccepted(
      `restore a chunk of ${chunk.rows} rows`,
      memory.kernel.table_restore_rows(chunk.bytes.length, chunk.checksum, this.#plan.length),
    );
    const [rows, elsewhere, dropped, rejected] = memory.words(4);
    const report = this.#report;
    this.#report = {
      ...report,
      rows: report.rows + rows,
      elsewhere: report.elsewhere + elsewhere,
      dropped: report.dropped + dropped,
      rejected: report.rejected + rejected,
    };
  }

  #takeCounters({ bytes, checksum }: SnapshotChunk): void {
    if (this.#newestGeneration === undefined) return;
    const memory = this.#memory;
    memory.bytes(bytes.length).set(bytes);
    requireAccepted(
      `restore ${bytes.length} bytes of counters`,
      memory.kernel.table_restore_counters(this.#newestGeneration, bytes.length, checksum),
    );
  }

  #takeRemoved({ bytes, checksum }: SnapshotChunk): void {
    const memory = this.#memory;
    memory.reserve({ bytes: bytes.length });
    memory.bytes(bytes.length).set(bytes);
    const removed = requireAccepted(
      `remove the rows of ${bytes.length / REMOVED_ID_BYTES} ids`,
      memory.kernel.table_restore_removed(bytes.length, checksum),
    );
    const { rowsRemoved } = this.#report;
    this.#report = { ...this.#report, rowsRemoved: rowsRemoved + removed };
  }

  /** The outcome so far. */
  get report(): RestoreReport {
    return this.#report;
  }
}

/** @throws {RangeError} When a number of the header is not one that a table writes. */
function requireWhole({ schema, kind: _, ...numbers }: SnapshotHeader): void {
  const all = { ...numbers, floats: schema.floats, countedIdsMax: schema.countedIdsMax };
  for (const [name, value] of Object.entries(all)) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new RangeError(`Cannot restore a snapshot: ${name} of its header is ${value}`);
  }
}

type Run = readonly [from: number, to: number, floats: number];

/** Which floats of a saved row go where, and the report on slices. */
function compare(saved: SnapshotSchema, current: SnapshotSchema) {
  const before = new Map(saved.slices.map((slice) => [slice.name, slice]));
  const runs: Run[] = [];
  const restored: string[] = [];
  const added: string[] = [];
  const resized: string[] = [];
  const stateReset: string[] = [];
  for (const slice of current.slices) {
    const { name, dim } = slice;
    const old = before.get(name);
    before.delete(name);
    if (old === undefined) {
      added.push(name);
    } else if (old.dim !== dim) {
      resized.push(name);
    } else {
      restored.push(name);
      runs.push([old.column, slice.column, dim]);
      if (old.rules === slice.rules && old.stateFloats === slice.stateFloats) {
        if (old.stateFloats > 0) runs.push([old.state, slice.state, old.stateFloats]);
      } else {
        stateReset.push(name);
      }
    }
  }
  return { runs, restored, added, resized, stateReset, removed: [...before.keys()] };
}
