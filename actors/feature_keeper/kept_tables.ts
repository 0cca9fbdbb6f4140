/**
 * The tables of a feature keeper's state under one bound of memory, and their saves in parts.
 *
 * The state decides the content of the entries; the tables drop the keys whose last records are the
 * oldest, and save and restore all entries together.
 */
import { ErasedRankings } from "./erased_rankings.ts";
import { type KeptEntry, KeptTable, type SavedEntry } from "./kept_table.ts";
import { userForm, type UserState } from "./user_state.ts";

/** The tables, in the order in which equally old keys are dropped. */
export const tableNames = ["rankings", "events", "shownItems", "users", "items"] as const;
export type TableName = typeof tableNames[number];

/** Some entries of one table. */
export interface SavedPart {
  readonly table: TableName;
  readonly entries: SavedEntry<unknown>[];
}

/** Bounds of the tables. */
export interface KeptBounds {
  /** Keys of `rankings`, and keys of `events`. */
  readonly rankingsMax: number;
  /** Counted memory of all tables, bytes. */
  readonly bytesMax: number;
}

/** Memory of an entry of numbers of an item, besides the numbers, bytes. */
const NUMBERS_BYTES = 32;

/** A form for values that never change. */
const plain = { saved: <V>(value: V) => value, restored: <V>(value: V) => value };

export class KeptTables {
  /** The user of each ranking, if it is one of this keeper's; else the empty text. */
  readonly rankings = new KeptTable<string, string>({
    ...plain,
    bytesOf: (user) => 16 + 2 * user.length,
  });
  /** Events that were counted, since a log may have one twice. */
  readonly events = new KeptTable<true, true>({ ...plain, bytesOf: () => 0 });
  /** Values of slots of the items that rankings showed, as of the last one. */
  readonly shownItems = new KeptTable<{ values: number[][] }, number[][]>({
    bytesOf: ({ values }) =>
      values.reduce((bytes, of) => bytes + NUMBERS_BYTES + 8 * of.length, 2 * NUMBERS_BYTES),
    saved: ({ values }) => values,
    restored: (values) => ({ values }),
  });
  readonly users = new KeptTable<UserState, unknown>(userForm as never);
  readonly items = new KeptTable<number[], number[]>({
    bytesOf: (numbers) => NUMBERS_BYTES + 8 * numbers.length,
    saved: (numbers) => [...numbers],
    restored: (numbers) => numbers,
  });
  /** The users of `rankings`, without erased users. */
  readonly rankingUsers = new ErasedRankings(this.rankings);
  /** Keys dropped at the bounds so far. */
  readonly dropped: Record<TableName, number> = {
    rankings: 0,
    events: 0,
    shownItems: 0,
    users: 0,
    items: 0,
  };
  readonly #bounds: KeptBounds;

  constructor(bounds: KeptBounds) {
    this.#bounds = bounds;
  }

  /** Counted memory, bytes. */
  get bytes(): number {
    let bytes = 0;
    for (const name of tableNames) bytes += this[name].bytes;
    return bytes;
  }

  /** Drops the oldest keys until every bound holds. */
  dropBeyondBounds(): void {
    const { rankings, events } = this;
    const { rankingsMax, bytesMax } = this.#bounds;
    while (rankings.size > rankingsMax) this.#dropOldest("rankings");
    while (events.size > rankingsMax) this.#dropOldest("events");
    while (this.bytes > bytesMax) {
      let oldest: TableName | undefined;
      let touched = Infinity;
      for (const name of tableNames) {
        const entry = this[name].oldest();
        if (entry === undefined || entry.touched >= touched) continue;
        oldest = name;
        touched = entry.touched;
      }
      if (oldest === undefined) return;
      this.#dropOldest(oldest);
    }
  }

  /** Begins a save of the entries as they are now. @param records Records taken so far. */
  beginSave(records: number): void {
    for (const name of tableNames) this[name].beginSave(records);
    this.rankingUsers.beginSave(records);
  }

  /** The next part of the save, of about so many bytes of memory; undefined at the end. */
  nextSaved(bytesMax: number): SavedPart | undefined {
    for (const table of tableNames) {
      const entries = this[table].nextSaved(bytesMax);
      if (entries.length === 0) continue;
      if (table !== "rankings") return { table, entries };
      return { table, entries: this.rankingUsers.saved(entries as SavedEntry<string>[]) };
    }
    this.rankingUsers.endSave();
    return undefined;
  }

  /** Ends a save before its last part. */
  endSave(): void {
    for (const name of tableNames) this[name].endSave();
    this.rankingUsers.endSave();
  }

  /** Takes over all parts of a save into empty tables, and yields every few milliseconds. */
  *restoring(parts: readonly SavedPart[]): Generator<void> {
    for (const name of tableNames) {
      const own = parts.flatMap((part) => part.table === name ? [part.entries] : []);
      yield* (this[name] as KeptTable<unknown, unknown>).restoring(own);
    }
  }

  #dropOldest(name: TableName): void {
    const table = this[name] as KeptTable<unknown, unknown>;
    table.drop(table.oldest() as KeptEntry<unknown>);
    this.dropped[name]++;
  }
}
