/**
 * The state of a feature keeper, as a function of the records of the event log: the same records
 * give the same features, however they are split into reads and restarts.
 */
import { decodeEvent, type EventRecord, itemsShown } from "../../records/event_record.ts";
import { SHOWN } from "../../rules/rule_errors.ts";
import { fingerprintOf } from "../../structures/fingerprint.ts";
import { NumberColumns } from "./number_columns.ts";
import type { FeatureKeeperOptions, KeptHistory, KeptNumber } from "./options.ts";
import type { HistoryTimes, KeptValues, TopItems } from "./protocol.ts";
import { RecentKeys } from "./recent_keys.ts";

/** The newest items of one action of a user, the newest first. */
interface History {
  items: string[];
  atMs: number[];
}

/** The numbers and histories of a user. */
interface UserState {
  readonly numbers: Float64Array;
  /** By action. */
  readonly histories: Record<string, History>;
}

/** A state as plain data, for checkpoints. */
export interface SavedState {
  readonly rankings: readonly (readonly [string, string])[];
  readonly events: readonly string[];
  readonly users: readonly (readonly [string, number[], Record<string, History>])[];
  readonly items: readonly (readonly [string, number[]])[];
}

export class KeptState {
  readonly #options: FeatureKeeperOptions;
  readonly #userColumns: NumberColumns;
  readonly #itemColumns: NumberColumns;
  readonly #histories: readonly KeptHistory[];
  /** Items that are kept, by action: the longest history of it. */
  readonly #lengths = new Map<string, number>();
  /** The user of each ranking, if it is one of this keeper's; else the empty text. */
  readonly #rankings: RecentKeys<string>;
  /** Events that were counted, since a log may have one twice. */
  readonly #events: RecentKeys<true>;
  readonly #users: RecentKeys<UserState>;
  readonly #items: RecentKeys<Float64Array>;

  constructor(options: FeatureKeeperOptions) {
    const numbers = options.features.filter((feature) => feature.kind !== "history");
    this.#options = options;
    this.#userColumns = new NumberColumns(numbers as readonly KeptNumber[], "user");
    this.#itemColumns = new NumberColumns(numbers as readonly KeptNumber[], "item");
    this.#histories = options.features.filter((feature) => feature.kind === "history");
    for (const { action, last } of this.#histories) {
      this.#lengths.set(action, Math.max(last, this.#lengths.get(action) ?? 0));
    }
    this.#rankings = new RecentKeys(options.rankingsMax);
    this.#events = new RecentKeys(options.rankingsMax);
    this.#users = new RecentKeys(options.usersMax);
    this.#items = new RecentKeys(options.itemsMax);
  }

  /** Users of whom something is kept. */
  get users(): number {
    return this.#users.size;
  }

  /** Items of which something is kept. */
  get items(): number {
    return this.#items.size;
  }

  /** Takes a record of the log in; one that cannot be read changes nothing. */
  take(bytes: Uint8Array): void {
    let record: EventRecord;
    let items: string[];
    try {
      record = decodeEvent(bytes);
      items = record.kind === "impression" ? itemsShown(record) : [record.item];
    } catch {
      return; // the joiner counts and reports it
    }
    if (record.kind === "impression") {
      const { rankingId, user, atMs } = record;
      if (this.#rankings.get(rankingId) !== undefined) return;
      this.#rankings.set(rankingId, this.#owns(user) ? user : "");
      // A sample of items that no ranking showed.
      if (record.logSampleRate !== undefined) return;
      // The first item shown is the newest of the ranking.
      for (const item of items.toReversed()) this.#count(user, item, SHOWN, undefined, atMs);
      return;
    }
    const { eventId, rankingId, item, action, value, atMs } = record;
    if (this.#events.get(eventId) !== undefined) return;
    this.#events.set(eventId, true);
    this.#count(this.#rankings.get(rankingId) ?? "", item, action, value, atMs);
  }

  /** The features of a user and of items at a moment. */
  read(
    user: string,
    items: readonly string[],
    nowMs: number,
    actions: readonly string[],
  ): KeptValues {
    const width = this.#itemColumns.names.length;
    const numbers = new Float64Array(items.length * width);
    if (width > 0) {
      items.forEach((item, i) => {
        if (this.#owns(item)) {
          this.#itemColumns.read(this.#items.get(item), nowMs, numbers, i * width);
        } else numbers.fill(NaN, i * width, (i + 1) * width);
      });
    }
    if (!this.#owns(user)) return { hasUser: false, user: {}, items: numbers, histories: {} };
    const state = this.#users.get(user);
    const kept: Record<string, number | readonly string[]> = {};
    const { names } = this.#userColumns;
    const own = new Float64Array(names.length);
    this.#userColumns.read(state?.numbers, nowMs, own, 0);
    names.forEach((name, i) => {
      if (!Number.isNaN(own[i])) kept[name] = own[i];
    });
    for (const { name, action, last } of this.#histories) {
      kept[name] = state?.histories[action]?.items.slice(0, last) ?? [];
    }
    const histories: Record<string, HistoryTimes> = {};
    for (const action of actions) {
      const history = state?.histories[action];
      if (history !== undefined) histories[action] = history;
    }
    return { hasUser: true, user: kept, items: numbers, histories };
  }

  /** The items with the greatest values of a feature, above that of an item without events. */
  top(feature: string, count: number, nowMs: number): TopItems {
    const index = this.#itemColumns.names.indexOf(feature);
    if (index < 0) return { items: [], values: [] };
    const least = this.#itemColumns.readOne(index, undefined, nowMs);
    const found: { readonly item: string; readonly value: number }[] = [];
    for (const [item, numbers] of this.#items.entries()) {
      const value = this.#itemColumns.readOne(index, numbers, nowMs);
      if (value > least) found.push({ item, value });
    }
    found.sort((a, b) => b.value - a.value || (a.item < b.item ? -1 : 1));
    const top = found.slice(0, count);
    return { items: top.map(({ item }) => item), values: top.map(({ value }) => value) };
  }

  /** The state as plain data. */
  save(): SavedState {
    return {
      rankings: [...this.#rankings.entries()],
      events: [...this.#events.entries()].map(([event]) => event),
      users: [...this.#users.entries()].map(([user, { numbers, histories }]) => {
        return [user, [...numbers], histories] as const;
      }),
      items: [...this.#items.entries()].map(([item, numbers]) => [item, [...numbers]] as const),
    };
  }

  /** Continues a saved state of the same features. */
  restore({ rankings, events, users, items }: SavedState): void {
    for (const [ranking, user] of rankings) this.#rankings.set(ranking, user);
    for (const event of events) this.#events.set(event, true);
    for (const [user, numbers, histories] of users) {
      this.#users.set(user, { numbers: Float64Array.from(numbers), histories });
    }
    for (const [item, numbers] of items) this.#items.set(item, Float64Array.from(numbers));
  }

  #owns(id: string): boolean {
    const { shard, shards } = this.#options;
    return shards === 1 ? id !== "" : id !== "" && fingerprintOf(id).low % shards === shard;
  }

  #count(
    user: string,
    item: string,
    action: string,
    value: number | undefined,
    atMs: number,
  ): void {
    const event = { action, value, atMs };
    if (this.#owns(item) && this.#itemColumns.length > 0) {
      const numbers = this.#items.get(item) ?? this.#itemColumns.create();
      this.#itemColumns.add(numbers, event);
      this.#items.set(item, numbers);
    }
    if (!this.#owns(user)) return;
    const length = this.#lengths.get(action);
    if (length === undefined && this.#userColumns.length === 0) return;
    const state = this.#users.get(user) ??
      { numbers: this.#userColumns.create(), histories: {} };
    this.#userColumns.add(state.numbers, event);
    if (length !== undefined) {
      remember(state.histories[action] ??= emptyHistory(), item, atMs, length);
    }
    this.#users.set(user, state);
  }
}

function emptyHistory(): History {
  return { items: [], atMs: [] };
}

/** Puts an item first; it leaves its former index. */
function remember(history: History, item: string, atMs: number, length: number): void {
  const former = history.items.indexOf(item);
  if (former >= 0) {
    history.items.splice(former, 1);
    history.atMs.splice(former, 1);
  }
  history.items.unshift(item);
  history.atMs.unshift(atMs);
  if (history.items.length > length) {
    history.items.pop();
    history.atMs.pop();
  }
}
