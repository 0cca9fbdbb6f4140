/**
 * Items of the newest events. An item that occurs often is popular, so that negatives drawn from
 * them have the popularity of items that users act on.
 */
import type { RandomStream } from "../../mesh/ports/random.ts";

const EVENTS_MAX = 10_000;
/** Draws per wanted item. */
const DRAWS = 8;

export class RecentItems {
  readonly #items: string[] = [];
  #next = 0;

  /** Adds the item of an event. */
  add(item: string): void {
    if (this.#items.length < EVENTS_MAX) this.#items.push(item);
    else this.#items[this.#next++ % EVENTS_MAX] = item;
  }

  /** Up to `wanted` different items besides `excluded`; fewer if few are known. */
  sample(wanted: number, excluded: string, random: RandomStream): string[] {
    const sampled = new Set<string>();
    for (let draw = 0; draw < DRAWS * wanted && sampled.size < wanted; draw++) {
      const item = this.#items[Math.floor(random.nextFloat() * this.#items.length)];
      if (item !== undefined && item !== excluded) sampled.add(item);
    }
    return [...sampled];
  }
}
