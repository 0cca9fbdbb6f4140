/**
 * The numbers, sessions and histories of a user, and its numbers by the values of a slot.
 */
import { textBytes, type ValueForm } from "./kept_table.ts";

/** The newest items of an action of a user, the newest first. */
export interface History {
  readonly items: string[];
  readonly atMs: number[];
}

export interface UserState {
  readonly numbers: number[];
  /** As {@link SessionTimes} has them. */
  readonly sessions: number[];
  /** By the counted event, see `historyKey`. */
  readonly histories: Map<string, History>;
  /** By slot, then by value, the value with the newest event last. */
  readonly values: readonly Map<number, number[]>[];
  /** Counted memory of the histories, bytes. */
  historyBytes: number;
}

/** A user's state as plain data. */
export interface SavedUser {
  readonly numbers: number[];
  readonly sessions: number[];
  readonly histories: readonly (readonly [string, History])[];
  readonly values: readonly (readonly (readonly [number, number[]])[])[];
}

/** Memory of a user's objects and empty arrays, bytes, measured. */
const USER_BYTES = 400;
/** Memory of a value of a slot without its numbers, bytes, measured. */
const VALUE_BYTES = 90;

export const userForm: ValueForm<UserState, SavedUser> = {
  bytesOf: ({ numbers, sessions, values, historyBytes }) => {
    let bytes = USER_BYTES + 8 * (numbers.length + sessions.length) + historyBytes;
    for (const bySlot of values) {
      const { value: some } = bySlot.values().next();
      bytes += bySlot.size * (VALUE_BYTES + 8 * (some?.length ?? 0));
    }
    return bytes;
  },
  saved: ({ numbers, sessions, histories, values }) => ({
    numbers: [...numbers],
    sessions: [...sessions],
    histories: [...histories].map(([key, { items, atMs }]) => {
      return [key, { items: [...items], atMs: [...atMs] }] as const;
    }),
    values: values.map((bySlot) => {
      return [...bySlot].map(([value, numbers]) => [value, [...numbers]] as const);
    }),
  }),
  restored: ({ numbers, sessions, histories, values }) => {
    const state: UserState = {
      numbers,
      sessions,
      histories: new Map(histories),
      values: values.map((bySlot) => new Map(bySlot)),
      historyBytes: 0,
    };
    for (const [, { items }] of histories) {
      state.historyBytes += HISTORY_BYTES;
      for (const item of items) state.historyBytes += itemBytes(item);
    }
    return state;
  },
};

/** Memory of a history without items, bytes. */
const HISTORY_BYTES = 250;

/** Memory of an item in a history, with its time and the growth of the arrays, bytes. */
function itemBytes(item: string): number {
  return textBytes(item) + 24;
}

/** Puts an item first in a history; it leaves its former index. */
export function remember(
  user: UserState,
  key: string,
  { item, atMs, lengthMax }: {
    readonly item: string;
    readonly atMs: number;
    readonly lengthMax: number;
  },
): void {
  let history = user.histories.get(key);
  if (history === undefined) {
    history = { items: [], atMs: [] };
    user.histories.set(key, history);
    user.historyBytes += HISTORY_BYTES;
  }
  const { items, atMs: times } = history;
  const former = items.indexOf(item);
  if (former >= 0) {
    items.splice(former, 1);
    times.splice(former, 1);
  } else user.historyBytes += itemBytes(item);
  items.unshift(item);
  times.unshift(atMs);
  if (items.length <= lengthMax) return;
  const last = items.pop();
  times.pop();
  if (last !== undefined) user.historyBytes -= itemBytes(last);
}

/**
 * The numbers of a value, which becomes the newest of its slot; beyond the bound the oldest value
 * is dropped.
 */
export function numbersOfValue(
  bySlot: Map<number, number[]>,
  value: number,
  { valuesMax, create }: { readonly valuesMax: number; readonly create: () => number[] },
): number[] {
  const numbers = bySlot.get(value) ?? create();
  bySlot.delete(value);
  if (bySlot.size >= valuesMax) {
    const [oldest] = bySlot.keys();
    bySlot.delete(oldest);
  }
  bySlot.set(value, numbers);
  return numbers;
}
