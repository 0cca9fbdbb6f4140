/**
 * Items of the newest events. An item that occurs often is drawn often, so that negatives drawn
 * from a pool have the popularity of the items that users act on.
 */

/** Draws per wanted item. */
const DRAWS = 8;

/** Items of a bounded number of events, to draw from. */
export class ItemPool {
  readonly #eventsMax: number;
  readonly #items: string[] = [];
  #next = 0;

  constructor(eventsMax: number) {
    this.#eventsMax = eventsMax;
  }

  /** Adds the item of an event; above `eventsMax` it replaces that of the oldest. */
  add(item: string): void {
    if (this.#items.length < this.#eventsMax) this.#items.push(item);
    else this.#items[this.#next++ % this.#eventsMax] = item;
  }

  /**
   * Up to `wanted` distinct items that are not excluded; fewer if few are known.
   *
   * @param uniformAt The random number of a draw, from 0 up to but not including 1.
   */
  sample(
    wanted: number,
    isExcluded: (item: string) => boolean,
    uniformAt: (draw: number) => number,
  ): string[] {
    const sampled = new Set<string>();
    for (let draw = 0; draw < DRAWS * wanted && sampled.size < wanted; draw++) {
      const item = this.#items[Math.floor(uniformAt(draw) * this.#items.length)];
      if (item !== undefined && !isExcluded(item)) sampled.add(item);
    }
    return [...sampled];
  }
}
