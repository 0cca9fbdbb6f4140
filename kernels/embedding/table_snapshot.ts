/**
 * A table's snapshot as plain data for any store, and its restoration into a table of another
 * schema or another number of shards.
 */
import { present } from "../../structures/invariant.ts";
import type { TableOptions } from "./options.ts";
import { admissionIdsMax } from "./table_encoding.ts";
import type { KernelMemory } from "./kernel_memory.ts";
import { accepted } from "./kernel_refusals.ts";

/** Position of one slice's floats in a saved row. */
export interface SnapshotSlice {
  readonly name: string;
  readonly dim: number;
  /** First weight, and first float of optimizer state, relative to the row's first weight. */
  readonly column: number;
  readonly state: number;
  readonly stateFloats: number;
  /** The rules that wrote the state; the state is restored only under the same rules. */
  readonly rules: string;
}

export interface SnapshotSchema {
  /** Floats of a row: weights and state. */
  readonly floats: number;
  readonly slices: readonly SnapshotSlice[];
  /**
   * Whether a saved row ends with its update counter, as in tables that evict the least frequently
   * used.
   */
  readonly counted: boolean;
  /** Slots that the table's options name. */
  readonly slots: readonly number[];
  /** Ids that its admission counters remember; 0 if no slot has a threshold. */
  readonly countedIdsMax: number;
}

/** All rows, or an increment: the changes since the last stored snapshot. */
export type SnapshotKind = "full" | "increment";

/** Changes of a table since the last stored snapshot. */
export interface SnapshotChanges {
  /** Whether these are all changes, so that an increment can hold them. */
  readonly known: boolean;
  /** Bytes of an increment. */
  readonly bytes: number;
}

export interface SnapshotHeader {
  readonly schema: SnapshotSchema;
  readonly kind: SnapshotKind;
  /** Rows in its chunks. */
  readonly rows: number;
  /** Ids in its chunks of removed ids; 0 in a full one. */
  readonly removed: number;
  /** Rows of the table. */
  readonly rowsInTable: number;
  /** Data clock, seconds. */
  readonly clockSeconds: number;
  /**
   * Batches so far: resumes learning rate schedules and seeds the draws of admission by
   * probability.
   */
  readonly draws: number;
  /** Number of the newest generation of admission counters. */
  readonly newestGeneration: number;
  /**
   * Generations of admission counters that were emptied since the snapshot before, a bit each; 0 in
   * a full one.
   */
  readonly emptiedGenerations: number;
}

/** The content of a chunk. */
export type ChunkKind = "rows" | "counters" | "removed";

export interface SnapshotChunk {
  /** Counters are occurrences of ids without a row; removed ids are of an increment. */
  readonly holds: ChunkKind;
  /** 0 in a chunk without rows. */
  readonly rows: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** CRC-32C of `bytes`. */
  readonly checksum: number;
}

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
  readonly kept: readonly string[];
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
  readonly countersKept: boolean;
  readonly rows: number;
  /** Rows of another shard, of a dropped slot, and without room. */
  readonly elsewhere: number;
  readonly dropped: number;
  readonly rejected: number;
  /** Rows removed because an increment says so. */
  readonly rowsRemoved: number;
}

const LAYOUT_WORDS = 3;

/** The rules of a slice by slot; its state has the same meaning where these are equal. */
function rulesOf(options: TableOptions, name: string): string {
  const kind = (optimizer: TableOptions["slices"][number]["optimizer"]) =>
    optimizer.kind === "adam" && optimizer.amsgrad ? "amsgrad" : optimizer.kind;
  const slice = present(
    options.slices.find((each) => each.name === name),
    "a slice of a snapshot's schema is one of the table's options",
  );
  const overrides = options.slots.flatMap((slot) => {
    const optimizer = slot.slices?.[name]?.optimizer;
    return optimizer && kind(optimizer) !== kind(slice.optimizer)
      ? [`${slot.number}:${kind(optimizer)}`]
      : [];
  });
  return [kind(slice.optimizer), ...overrides.sort()].join(" ");
}

/** The schema of a table, from its options and the kernel's layout words. */
export function snapshotSchema(options: TableOptions, words: Float64Array): SnapshotSchema {
  const [floats] = words;
  const slices = options.slices.map(({ name, dim }, number) => {
    const [column, state, stateFloats] = words.subarray(1 + number * LAYOUT_WORDS);
    return { name, dim, column, state, stateFloats, rules: rulesOf(options, name) };
  });
  const slots = options.slots.map(({ number }) => number);
  const counted = options.atLimit === "evictLeastFrequentlyUsed";
  const counts = options.slots.some(({ admission }) =>
    admission.kind === "threshold" && admission.threshold > 0
  );
  const countedIdsMax = counts ? admissionIdsMax(options.bytesMax) : 0;
  return { floats, slices, counted, slots, countedIdsMax };
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
    const countersKept = takesCounters || before === 0 || now === 0;
    const counts = { rows: 0, elsewhere: 0, dropped: 0, rejected: 0, rowsRemoved: 0 };
    this.#report = { ...slices, countersKept, ...counts };
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
    const { clockSeconds, draws, newestGeneration } = header;
    this.#newestGeneration = takesCounters ? newestGeneration : undefined;
    accepted("restore a snapshot", memory.kernel.table_restore_begin(clockSeconds, draws));
    if (!takesCounters || header.kind === "full") return;
    accepted(
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
    accepted(
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
    accepted(
      `restore ${bytes.length} bytes of counters`,
      memory.kernel.table_restore_counters(this.#newestGeneration, bytes.length, checksum),
    );
  }

  #takeRemoved({ bytes, checksum }: SnapshotChunk): void {
    const memory = this.#memory;
    memory.reserve({ bytes: bytes.length });
    memory.bytes(bytes.length).set(bytes);
    const removed = accepted(
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

/** Bytes of a removed id. */
export const REMOVED_ID_BYTES = 8;

/** Bytes of a saved line of admission counters. */
export const SAVED_LINE_BYTES = 72;

/** Key and stamp of a saved row. */
const ROW_HEADER_BYTES = 12;

/** Bytes of a saved row of this schema. */
export function savedRowBytes({ floats, counted }: SnapshotSchema): number {
  return ROW_HEADER_BYTES + 4 * floats + Number(counted);
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
  const kept: string[] = [];
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
      kept.push(name);
      runs.push([old.column, slice.column, dim]);
      if (old.rules === slice.rules && old.stateFloats === slice.stateFloats) {
        if (old.stateFloats > 0) runs.push([old.state, slice.state, old.stateFloats]);
      } else {
        stateReset.push(name);
      }
    }
  }
  return { runs, kept, added, resized, stateReset, removed: [...before.keys()] };
}
