/**
 * A table's snapshot as plain data for any store: header, chunks and the schema of its rows.
 */
import { present } from "../../structures/invariant.ts";
import type { TableOptions } from "./options.ts";
import { admissionIdsMax } from "./table_encoding.ts";

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
   * Update calls so far: the step of learning rate schedules, and a part of the seed of admission
   * by probability.
   */
  readonly updates: number;
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
