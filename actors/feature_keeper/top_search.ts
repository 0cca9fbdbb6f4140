/**
 * Finds the items with the greatest values of a feature, some items at a time: a keeper answers and
 * reads the log between two steps.
 *
 * An item that gets an event meanwhile moves to the end of the table, so that it is met again there
 * with its newer value.
 */
import type { TopItems } from "./protocol.ts";

interface Found {
  readonly item: string;
  readonly value: number;
}

export class TopSearch {
  readonly #items: Iterator<{ readonly key: string; readonly value: readonly number[] }>;
  readonly #valueOf: (numbers: readonly number[]) => number;
  readonly #count: number;
  /** Candidates; beyond twice `#count` they are cut to the greatest ones. */
  #found: Found[] = [];
  /** Items of at most this value are not in the result. */
  #least: number;

  /** @param least The value of an item without events. */
  constructor({ items, valueOf, count, least }: {
    readonly items: Iterator<{ readonly key: string; readonly value: readonly number[] }>;
    readonly valueOf: (numbers: readonly number[]) => number;
    readonly count: number;
    readonly least: number;
  }) {
    this.#items = items;
    this.#valueOf = valueOf;
    this.#count = count;
    this.#least = least;
  }

  /** Looks at the next items, at most so many. @returns Whether all items have been met. */
  step(itemsMax: number): boolean {
    for (let i = 0; i < itemsMax; i++) {
      const { value: entry, done } = this.#items.next();
      if (done) return true;
      const value = this.#valueOf(entry.value);
      if (!(value > this.#least)) continue;
      this.#found.push({ item: entry.key, value });
      if (this.#found.length >= 2 * this.#count) this.#cut();
    }
    return false;
  }

  /** The greatest of the items that have been met, the greatest first. */
  get top(): TopItems {
    this.#cut();
    return {
      items: this.#found.map(({ item }) => item),
      values: this.#found.map(({ value }) => value),
    };
  }

  #cut(): void {
    const newest = new Map(this.#found.map((each) => [each.item, each]));
    this.#found = [...newest.values()]
      .sort((a, b) => b.value - a.value || (a.item < b.item ? -1 : 1))
      .slice(0, this.#count);
    const last = this.#found.at(-1);
    // An equal value may belong to an item that comes before in the order of names.
    if (this.#found.length === this.#count && last !== undefined) {
      this.#least = Math.max(this.#least, below(last.value));
    }
  }
}

/** The next smaller number. */
function below(value: number): number {
  const step = Math.max(Math.abs(value) * Number.EPSILON, Number.MIN_VALUE);
  return value - step;
}
