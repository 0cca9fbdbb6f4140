/**
 * The state of a feature keeper, as a function of the records of the event log: the same records
 * give the same features, however they are split into reads and restarts.
 */
import {
  decodeEvent,
  type EventRecord,
  type ImpressionRecord,
  readRows,
} from "../../records/event_record.ts";
import { SHOWN } from "../../rules/rule_errors.ts";
import { KeptAnswers } from "./kept_answers.ts";
import { KeptColumns } from "./kept_columns.ts";
import { KeptTables, type SavedPart, type TableName } from "./kept_tables.ts";
import type { KeyEvent } from "./number_columns.ts";
import type { FeatureKeeperOptions } from "./options.ts";
import { OwnKeys } from "./own_keys.ts";
import type { KeptValues } from "./protocol.ts";
import { valuesOfRows } from "./slot_values.ts";
import type { TopSearch } from "./top_search.ts";

/** A past event: an action, or an item of a ranking. */
interface Counted extends KeyEvent {
  readonly user: string;
  readonly item: string;
}

/** Key of the user of a ranking that awaits reports; ids of clients have no control characters. */
const awaitedKey = (rankingId: string) => `${rankingId}\0awaited`;

/** Key of an item that a report named. */
const shownKey = (rankingId: string, item: string) => `${rankingId}\0shown\0${item}`;

export class KeptState {
  readonly #keys: OwnKeys;
  readonly #columns: KeptColumns;
  readonly #tables: KeptTables;
  readonly #answers: KeptAnswers;
  /** Records taken so far. */
  #records = 0;

  constructor(options: FeatureKeeperOptions) {
    this.#keys = new OwnKeys(options);
    this.#columns = new KeptColumns(options);
    this.#tables = new KeptTables(options);
    this.#answers = new KeptAnswers(this.#columns, this.#tables, this.#keys);
  }

  /** Number of users with kept features. */
  get users(): number {
    return this.#tables.users.size;
  }

  /** Number of items with kept features. */
  get items(): number {
    return this.#tables.items.size;
  }

  /** Counted memory, bytes. */
  get bytes(): number {
    return this.#tables.bytes;
  }

  /** Keys dropped at the bounds so far, by table. */
  get dropped(): Readonly<Record<TableName, number>> {
    return this.#tables.dropped;
  }

  /** Records taken so far. */
  get records(): number {
    return this.#records;
  }

  /**
   * Takes a record of the log in; one that cannot be read changes nothing.
   *
   * @returns Whether an erasure waits until the record is saved.
   */
  take(bytes: Uint8Array): boolean {
    let record: EventRecord;
    try {
      record = decodeEvent(bytes);
    } catch {
      return false; // the joiner counts and reports it
    }
    return this.takeEvent(record);
  }

  /** As {@link take}, of a record that is decoded. */
  takeEvent(record: EventRecord): boolean {
    switch (record.kind) {
      case "impression":
        this.#takeImpression(record);
        return false;
      case "action":
        this.takeAction(record);
        return false;
      case "shown":
        this.takeShown(record);
        return false;
      case "forget":
        this.#erase(record.user);
        return true;
      case "release":
        this.#records++; // a save has to hold its offset
        return true;
      case "remembered":
      case "mark":
        return false;
      default:
        return record satisfies never;
    }
  }

  #takeImpression(record: ImpressionRecord): void {
    let shown: ReturnType<typeof readRows>;
    try {
      shown = readRows(record);
    } catch {
      return; // the joiner counts and reports it
    }
    const items = shown.items();
    const { slots } = this.#columns;
    const values = slots.length === 0 ? undefined : valuesOfRows(shown, slots);
    this.takeRanking({ ...record, items, values });
  }

  /** Drops a user. Rankings stay as those of no user, so that none of them is counted again. */
  #erase(user: string): void {
    this.#records++;
    this.#tables.users.delete(user);
    this.#tables.rankingUsers.erase(user, this.#records);
  }

  /** Takes a ranking in. */
  takeRanking(ranking: {
    readonly rankingId: string;
    readonly user: string;
    readonly items: readonly string[];
    /** By item and slot. */
    readonly values: readonly (readonly number[][])[] | undefined;
    readonly atMs: number;
    readonly logSampleRate?: number;
    readonly awaitsShown?: true;
  }): void {
    const { rankingId, user, items, values, atMs, logSampleRate, awaitsShown } = ranking;
    const { rankings, shownItems } = this.#tables;
    this.#records++;
    if (rankings.get(rankingId) !== undefined) return;
    const owned = this.#keys.owns(user) ? user : "";
    rankings.close(rankings.open(rankingId, this.#records, () => owned));
    if (awaitsShown) {
      rankings.close(rankings.open(awaitedKey(rankingId), this.#records, () => owned));
    }
    values?.forEach((bySlot, i) => {
      const entry = shownItems.open(items[i], this.#records, () => ({ values: [] }));
      entry.value.values = bySlot as number[][];
      shownItems.close(entry);
    });
    // With a rate, the items are a sample that no ranking showed.
    if (logSampleRate === undefined && !awaitsShown) {
      // The first item shown is the newest of the ranking.
      for (const item of items.toReversed()) {
        this.#count({ user, item, action: SHOWN, value: undefined, atMs });
      }
    }
    this.#tables.dropBeyondBounds();
  }

  /** Takes a report of shown items in; each item counts once, in the first report that has it. */
  takeShown({ rankingId, items, atMs }: {
    readonly rankingId: string;
    readonly items: readonly string[];
    readonly atMs: number;
  }): void {
    const { events, rankingUsers } = this.#tables;
    this.#records++;
    const user = rankingUsers.userOf(awaitedKey(rankingId));
    if (user === undefined) return; // its items counted as shown when it was made
    // The first item shown is the newest of the report.
    for (const item of items.toReversed()) {
      const key = shownKey(rankingId, item);
      if (events.get(key) !== undefined) continue;
      events.close(events.open(key, this.#records, () => true));
      this.#count({ user, item, action: SHOWN, value: undefined, atMs });
    }
    this.#tables.dropBeyondBounds();
  }

  /**
   * Takes an action on an item in. Where its ranking is unknown, because it is logged later, was
   * dropped or never made, the action counts for the user that it names.
   */
  takeAction({ eventId, rankingId, user, item, action, value, atMs }: {
    readonly eventId: string;
    readonly rankingId: string;
    readonly user?: string;
    readonly item: string;
    readonly action: string;
    readonly value?: number;
    readonly atMs: number;
  }): void {
    const { events, rankingUsers } = this.#tables;
    this.#records++;
    if (events.get(eventId) !== undefined) return;
    events.close(events.open(eventId, this.#records, () => true));
    // A ranking of an erased user is known, as one of no user.
    const actor = rankingUsers.userOf(rankingId) ?? user ?? "";
    this.#count({ user: actor, item, action, value, atMs });
    this.#tables.dropBeyondBounds();
  }

  /** The features of a user and of items at a moment, see {@link KeptAnswers.read}. */
  read(...asked: Parameters<KeptAnswers["read"]>): KeptValues {
    return this.#answers.read(...asked);
  }

  /** The error of values that are not of these items, see {@link KeptAnswers.misfitOf}. */
  misfitOf(...asked: Parameters<KeptAnswers["misfitOf"]>): RangeError | undefined {
    return this.#answers.misfitOf(...asked);
  }

  /** A search for the items with the greatest values, see {@link KeptAnswers.topSearch}. */
  topSearch(feature: string, count: number, nowMs: number): TopSearch | undefined {
    return this.#answers.topSearch(feature, count, nowMs);
  }

  /** Whether rankings of erased users are left to be cleared. */
  get isClearing(): boolean {
    return this.#tables.rankingUsers.isClearing;
  }

  /** Clears rankings of erased users, at most so many. They count as those of no user already. */
  clearErased(entriesMax: number): void {
    this.#tables.rankingUsers.clear(entriesMax, this.#records);
  }

  /** Begins a save of the state as it is now, which later records do not change. */
  beginSave(): void {
    this.#tables.beginSave(this.#records);
  }

  /** The next part of the save, of about so many bytes of memory; undefined at the end. */
  nextSaved(bytesMax: number): SavedPart | undefined {
    return this.#tables.nextSaved(bytesMax);
  }

  /** Ends a save before its last part. */
  endSave(): void {
    this.#tables.endSave();
  }

  /** Continues a saved state of the same features, and yields every few milliseconds. */
  *restoring(parts: readonly SavedPart[], records: number): Generator<void> {
    yield* this.#tables.restoring(parts);
    this.#records = records;
    this.#tables.dropBeyondBounds();
  }

  #count({ user, item, ...event }: Counted): void {
    const { items, users, shownItems } = this.#tables;
    const columns = this.#columns;
    if (this.#keys.owns(item) && columns.items.length > 0) {
      const entry = items.open(item, this.#records, () => columns.items.create());
      columns.items.add(entry.value, event);
      items.close(entry);
    }
    if (!this.#keys.owns(user) || !columns.changesUser(event)) return;
    const entry = users.open(user, this.#records, () => columns.newUser());
    columns.addToUser(entry.value, event, item, shownItems.get(item)?.values);
    users.close(entry);
  }
}
