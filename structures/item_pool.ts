/**
 * Items of events, to draw negatives from. A stated share of the draws takes an item of the newest
 * events, where an item that occurs often is drawn often. The others take each known item with the
 * same probability, so that a model also sees items that are not bought any more as negatives.
 */

/** Draws per wanted item. */
const DRAWS = 8;

/** Bounds of a pool, and its probabilities. */
export interface ItemPoolOptions {
  /** Newest events whose items are drawn by how often they occur. */
  readonly eventsMax: number;
  /** Known items; above it a new item replaces the one that became known first. */
  readonly itemsMax: number;
  /** Share of the draws that takes each known item with the same probability, from 0 to 1. */
  readonly uniformShare: number;
}

/** Items of a bounded number of events, and a bounded number of distinct items. */
export class ItemPool {
  readonly #options: ItemPoolOptions;
  /** Items of the newest events. */
  readonly #ofEvents: string[] = [];
  #nextEvent = 0;
  readonly #known: string[] = [];
  readonly #isKnown = new Set<string>();
  #nextKnown = 0;

  constructor(options: ItemPoolOptions) {
    this.#options = options;
  }

  /** Adds the item of an event; above `eventsMax` it replaces that of the oldest. */
  add(item: string): void {
    const { eventsMax } = this.#options;
    if (this.#ofEvents.length < eventsMax) this.#ofEvents.push(item);
    else this.#ofEvents[this.#nextEvent++ % eventsMax] = item;
    this.addKnown(item);
  }

  /** Whether another item can become known without replacing an item. */
  get hasRoom(): boolean {
    return this.#known.length < this.#options.itemsMax;
  }

  /** Makes an item known that may have no event; only the uniform share of the draws gives it. */
  addKnown(item: string): void {
    if (this.#isKnown.has(item)) return;
    const { itemsMax } = this.#options;
    this.#isKnown.add(item);
    if (this.#known.length < itemsMax) {
      this.#known.push(item);
      return;
    }
    const index = this.#nextKnown++ % itemsMax;
    this.#isKnown.delete(this.#known[index]);
    this.#known[index] = item;
  }

  /**
   * Up to `wanted` distinct items that are not excluded; fewer if few are known. A draw gives item
   * i with the probability (1 - uniformShare) · events of i / events + uniformShare / known items.
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
      const item = this.#drawn(uniformAt(draw));
      if (item !== undefined && !isExcluded(item)) sampled.add(item);
    }
    return [...sampled];
  }

  /** The item of a random number: its first part chooses a known item, the rest an event. */
  #drawn(uniform: number): string | undefined {
    const { uniformShare } = this.#options;
    if (uniform < uniformShare) {
      return this.#known[Math.floor((uniform / uniformShare) * this.#known.length)];
    }
    const rest = (uniform - uniformShare) / (1 - uniformShare);
    return this.#ofEvents[Math.floor(rest * this.#ofEvents.length)];
  }
}
