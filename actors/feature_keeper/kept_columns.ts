/**
 * The columns of a keeper's features: for each kind of key the numbers that its events change, and
 * the histories that users have.
 */
import type { SlotColumn } from "../../kernels/features/values_of_items.ts";
import { counts, type KeyEvent, NumberColumns } from "./number_columns.ts";
import {
  type FeatureKeeperOptions,
  type KeptEvent,
  type KeptHistory,
  type KeptNumber,
  keptSlots,
} from "./options.ts";
import type { KeptValues } from "./protocol.ts";
import { SessionTimes } from "./session_times.ts";
import { ValuesReader } from "./slot_values.ts";
import { numbersOfValue, remember, type UserState } from "./user_state.ts";

export class KeptColumns {
  readonly slots: readonly SlotColumn[];
  readonly items: NumberColumns;
  /** Features of a user by values of slots. */
  readonly values: ValuesReader;
  readonly #valuesMax: number;
  readonly #sessions: SessionTimes;
  readonly #users: NumberColumns;
  /** Columns of users by values of slots, in the order of `keptSlots`. */
  readonly #valueColumns: readonly NumberColumns[];
  readonly #histories: readonly KeptHistory[];
  /** Histories that are stored: the longest of each counted event. */
  readonly #stored = new Map<string, { readonly of: KeptEvent; readonly lengthMax: number }>();

  constructor(options: FeatureKeeperOptions) {
    const { features } = options;
    const numbers = features.filter((feature) => feature.kind !== "history") as KeptNumber[];
    this.#valuesMax = options.valuesMax;
    this.slots = keptSlots(features);
    this.#sessions = new SessionTimes(gapsOf(options));
    const columnsOf = (is: (feature: KeptNumber) => boolean) =>
      new NumberColumns(numbers.filter(is), this.#sessions);
    this.#users = columnsOf(({ by, slot }) => by === "user" && slot === undefined);
    this.items = columnsOf(({ by }) => by === "item");
    this.#valueColumns = this.slots.map(({ name }) => columnsOf(({ slot }) => slot?.name === name));
    this.values = new ValuesReader(this.#valueColumns);
    this.#histories = features.filter((feature) => feature.kind === "history");
    for (const { of, last } of this.#histories) {
      const key = historyKey(of);
      const lengthMax = Math.max(last, this.#stored.get(key)?.lengthMax ?? 0);
      this.#stored.set(key, { of, lengthMax });
    }
  }

  /** Whether an event changes the state of its user. */
  changesUser(event: KeyEvent): boolean {
    return this.#sessions.length + this.#users.length + this.values.width > 0 ||
      [...this.#stored.values()].some(({ of }) => counts(of, event));
  }

  /** The state of a user without events. */
  newUser(): UserState {
    return {
      numbers: this.#users.create(),
      sessions: this.#sessions.create(),
      histories: new Map(),
      values: this.#valueColumns.map(() => new Map()),
      historyBytes: 0,
    };
  }

  /**
   * Counts an event of a user on an item.
   *
   * @param values The item's values, by slot.
   */
  addToUser(
    state: UserState,
    event: KeyEvent,
    item: string,
    values: readonly (readonly number[])[] | undefined,
  ): void {
    this.#sessions.add(state.sessions, event.atMs);
    this.#users.add(state.numbers, event, state.sessions);
    for (const [key, { of, lengthMax }] of this.#stored) {
      if (counts(of, event)) remember(state, key, { item, atMs: event.atMs, lengthMax });
    }
    this.#valueColumns.forEach((columns, slot) => {
      if (!columns.reads(event)) return;
      for (const value of values?.[slot] ?? []) {
        const numbers = numbersOfValue(state.values[slot], value, {
          valuesMax: this.#valuesMax,
          create: () => columns.create(),
        });
        columns.add(numbers, event, state.sessions);
      }
    });
  }

  /** The features of a user by name; undefined = a user without events. */
  ofUser(state: UserState | undefined, nowMs: number): KeptValues["user"] {
    const values: Record<string, number | readonly string[]> = {};
    const { names } = this.#users;
    const own = new Float64Array(names.length);
    const sessions = state?.sessions;
    this.#users.read(state?.numbers, { nowMs, sessions }, own, 0);
    names.forEach((name, i) => {
      if (!Number.isNaN(own[i])) values[name] = own[i];
    });
    for (const { name, of, last, sessionMs } of this.#histories) {
      const { items, atMs } = state?.histories.get(historyKey(of)) ?? { items: [], atMs: [] };
      if (sessionMs === undefined) {
        values[name] = items.slice(0, last);
        continue;
      }
      const begin = this.#sessions.beginOf(sessions, this.#sessions.indexOf(sessionMs), nowMs);
      values[name] = items.filter((_, i) => atMs[i] >= begin).slice(0, last);
    }
    return values;
  }
}

/** The key under which a history of these events is stored. */
export function historyKey({ action, atLeast, below }: KeptEvent): string {
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
