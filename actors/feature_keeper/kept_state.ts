/**
 * The state of a feature keeper, as a function of the records of the event log: the same records
 * give the same features, however they are split into reads and restarts.
 */
import type { SlotColumn, SlotValues } from "../../kernels/features/values_of_items.ts";
import { decodeEvent, type EventRecord, readRows } from "../../records/event_record.ts";
import { SHOWN } from "../../rules/rule_errors.ts";
import { fingerprintOf } from "../../structures/fingerprint.ts";
import { KeptTables, type SavedPart, type TableName } from "./kept_tables.ts";
import { counts, type KeyEvent, NumberColumns } from "./number_columns.ts";
import {
  type FeatureKeeperOptions,
  type KeptEvent,
  type KeptHistory,
  type KeptNumber,
  keptSlots,
} from "./options.ts";
import type { HistoryTimes, KeptValues } from "./protocol.ts";
import { SessionTimes } from "./session_times.ts";
import { valuesOfRows, ValuesReader } from "./slot_values.ts";
import { TopSearch } from "./top_search.ts";
import { numbersOfValue, remember, type UserState } from "./user_state.ts";

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
  readonly #options: FeatureKeeperOptions;
  readonly #slots: readonly SlotColumn[];
  readonly #sessions: SessionTimes;
  readonly #userColumns: NumberColumns;
  readonly #itemColumns: NumberColumns;
  /** Columns of users by values of slots, in the order of `keptSlots`. */
  readonly #valueColumns: readonly NumberColumns[];
  readonly #values: ValuesReader;
  readonly #histories: readonly KeptHistory[];
  /** Histories that are stored: the longest of each counted event. */
  readonly #stored = new Map<string, { readonly of: KeptEvent; readonly lengthMax: number }>();
  readonly #tables: KeptTables;
  /** Records taken so far. */
  #records = 0;

  constructor(options: FeatureKeeperOptions) {
    const { features } = options;
    const numbers = features.filter((feature) => feature.kind !== "history") as KeptNumber[];
    this.#options = options;
    this.#slots = keptSlots(features);
    this.#sessions = new SessionTimes(gapsOf(options));
    const columnsOf = (is: (feature: KeptNumber) => boolean) =>
      new NumberColumns(numbers.filter(is), this.#sessions);
    this.#userColumns = columnsOf(({ by, slot }) => by === "user" && slot === undefined);
    this.#itemColumns = columnsOf(({ by }) => by === "item");
    this.#valueColumns = this.#slots.map(({ name }) =>
      columnsOf(({ slot }) => slot?.name === name)
    );
    this.#values = new ValuesReader(this.#valueColumns);
    this.#histories = features.filter((feature) => feature.kind === "history");
    for (const { of, last } of this.#histories) {
      const key = historyKey(of);
      const lengthMax = Math.max(last, this.#stored.get(key)?.lengthMax ?? 0);
      this.#stored.set(key, { of, lengthMax });
    }
    this.#tables = new KeptTables(options);
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
    let shown: ReturnType<typeof readRows> | undefined;
    try {
      record = decodeEvent(bytes);
      if (record.kind === "impression") shown = readRows(record);
    } catch {
      return false; // the joiner counts and reports it
    }
    if (record.kind === "action") this.takeAction(record);
    else if (record.kind === "shown") this.takeShown(record);
    else if (record.kind === "forget") this.#erase(record.user);
    else if (record.kind === "release") this.#records++; // a save has to hold its offset
    else if (record.kind === "impression" && shown !== undefined) {
      const items = shown.items();
      const values = this.#slots.length === 0 ? undefined : valuesOfRows(shown, this.#slots);
      this.takeRanking({ ...record, items, values });
    }
    return record.kind === "forget" || record.kind === "release";
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
    const owned = this.#owns(user) ? user : "";
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

  /** Takes an action on an item in. */
  takeAction({ eventId, rankingId, item, action, value, atMs }: {
    readonly eventId: string;
    readonly rankingId: string;
    readonly item: string;
    readonly action: string;
    readonly value?: number;
    readonly atMs: number;
  }): void {
    const { events, rankingUsers } = this.#tables;
    this.#records++;
    if (events.get(eventId) !== undefined) return;
    events.close(events.open(eventId, this.#records, () => true));
    this.#count({ user: rankingUsers.userOf(rankingId) ?? "", item, action, value, atMs });
    this.#tables.dropBeyondBounds();
  }

  /**
   * The features of a user and of items at a moment.
   *
   * @param values Values of the slots by which features divide a user's events, of the items.
   */
  read(
    user: string,
    items: readonly string[],
    nowMs: number,
    { histories: actions, values }: {
      readonly histories: readonly string[];
      readonly values?: SlotValues | undefined;
    },
  ): KeptValues {
    const isOwn = this.#owns(user);
    const state = isOwn ? this.#tables.users.get(user) : undefined;
    const moment = { nowMs, sessions: state?.sessions };
    const ownWidth = this.#itemColumns.names.length;
    const width = ownWidth + this.#values.width;
    const numbers = new Float64Array(items.length * width);
    if (width > 0) {
      items.forEach((item, i) => {
        const at = i * width;
        if (this.#owns(item)) {
          this.#itemColumns.read(this.#tables.items.get(item), moment, numbers, at);
        } else numbers.fill(NaN, at, at + ownWidth);
      });
      this.#values.read(isOwn ? values : undefined, state?.values, moment, {
        rows: items.length,
        numbers,
        width,
        at: ownWidth,
      });
    }
    if (!isOwn) return { hasUser: false, user: {}, items: numbers, histories: {} };
    const histories: Record<string, HistoryTimes> = {};
    for (const action of actions) {
      const history = state?.histories.get(historyKey({ action }));
      if (history !== undefined) histories[action] = history;
    }
    return { hasUser: true, user: this.#ofUser(state, nowMs), items: numbers, histories };
  }

  #ofUser(state: UserState | undefined, nowMs: number) {
    const kept: Record<string, number | readonly string[]> = {};
    const { names } = this.#userColumns;
    const own = new Float64Array(names.length);
    const sessions = state?.sessions;
    this.#userColumns.read(state?.numbers, { nowMs, sessions }, own, 0);
    names.forEach((name, i) => {
      if (!Number.isNaN(own[i])) kept[name] = own[i];
    });
    for (const { name, of, last, sessionMs } of this.#histories) {
      const { items, atMs } = state?.histories.get(historyKey(of)) ?? { items: [], atMs: [] };
      if (sessionMs === undefined) {
        kept[name] = items.slice(0, last);
        continue;
      }
      const begin = this.#sessions.beginOf(sessions, this.#sessions.indexOf(sessionMs), nowMs);
      kept[name] = items.filter((_, i) => atMs[i] >= begin).slice(0, last);
    }
    return kept;
  }

  /**
   * A search for the items with the greatest values of a feature, above that of an item without
   * events; undefined if no item has the feature.
   */
  topSearch(feature: string, count: number, nowMs: number): TopSearch | undefined {
    const columns = this.#itemColumns;
    const index = columns.names.indexOf(feature);
    if (index < 0) return undefined;
    return new TopSearch({
      items: this.#tables.items.entries(),
      valueOf: (numbers) => columns.readOne(index, numbers, nowMs),
      count,
      least: columns.readOne(index, undefined, nowMs),
    });
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

  #owns(id: string): boolean {
    const { shard, shards } = this.#options;
    return shards === 1 ? id !== "" : id !== "" && fingerprintOf(id).low % shards === shard;
  }

  #count({ user, item, ...event }: Counted): void {
    const { items, users, shownItems } = this.#tables;
    if (this.#owns(item) && this.#itemColumns.length > 0) {
      const entry = items.open(item, this.#records, () => this.#itemColumns.create());
      this.#itemColumns.add(entry.value, event);
      items.close(entry);
    }
    if (!this.#owns(user)) return;
    const keeps = this.#sessions.length + this.#userColumns.length + this.#values.width > 0 ||
      [...this.#stored.values()].some(({ of }) => counts(of, event));
    if (!keeps) return;
    const entry = users.open(user, this.#records, () => this.#newUser());
    const { value: state } = entry;
    this.#sessions.add(state.sessions, event.atMs);
    this.#userColumns.add(state.numbers, event, state.sessions);
    for (const [key, { of, lengthMax }] of this.#stored) {
      if (counts(of, event)) remember(state, key, { item, atMs: event.atMs, lengthMax });
    }
    const values = shownItems.get(item)?.values;
    this.#valueColumns.forEach((columns, slot) => {
      if (!columns.reads(event)) return;
      for (const value of values?.[slot] ?? []) {
        const numbers = numbersOfValue(state.values[slot], value, {
          valuesMax: this.#options.valuesMax,
          create: () => columns.create(),
        });
        columns.add(numbers, event, state.sessions);
      }
    });
    users.close(entry);
  }

  #newUser(): UserState {
    return {
      numbers: this.#userColumns.create(),
      sessions: this.#sessions.create(),
      histories: new Map(),
      values: this.#valueColumns.map(() => new Map()),
      historyBytes: 0,
    };
  }
}

/** The key under which a history of these events is stored. */
function historyKey({ action, atLeast, below }: KeptEvent): string {
  return atLeast === undefined && below === undefined
    ? action
    : JSON.stringify([action, atLeast ?? null, below ?? null]);
}

function* gapsOf({ features }: FeatureKeeperOptions): Iterable<number> {
  for (const feature of features) {
    if (feature.kind === "history") {
      if (feature.sessionMs !== undefined) yield feature.sessionMs;
    } else if ("span" in feature && "sessionMs" in feature.span) yield feature.span.sessionMs;
  }
}
