/**
 * What an item alone contributes to its row, kept from one request to the next: 500 known candidates then cost
 * copies of a few words each instead of hashing. Bounded, and forgotten roughly by last use: entries live in two
 * generations, a hit moves to the young one, and when that is full the old one is dropped whole.
 */
export interface CachedItem {
  /** The profile's version that this was made from. */
  readonly version: number;
  /** Values of each item column, shape `[itemColumns]`, then the ids' words, two an id, in column order. */
  readonly data: Uint32Array;
  /** The item's dense values, in the order of the schema's item dense columns. */
  readonly dense: Float32Array;
}

export class ItemCache {
  #young = new Map<string, CachedItem>();
  #old = new Map<string, CachedItem>();

  /** @param itemsMax Entries at most; 0 = keep none. */
  constructor(readonly itemsMax: number) {}

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(id: string, version: number): CachedItem | undefined {
    const young = this.#young.get(id);
    if (young !== undefined) return young.version === version ? young : undefined;
    const old = this.#old.get(id);
    if (old === undefined || old.version !== version) return undefined;
    this.#old.delete(id);
    this.#keep(id, old);
    return old;
  }

  set(id: string, item: CachedItem): void {
    if (this.itemsMax === 0) return;
    this.#old.delete(id);
    this.#keep(id, item);
  }

  #keep(id: string, item: CachedItem): void {
    const youngMax = Math.max(1, Math.floor(this.itemsMax / 2));
    if (this.#young.size >= youngMax && !this.#young.has(id)) {
      this.#old = this.itemsMax === 1 ? new Map() : this.#young;
      this.#young = new Map();
    }
    this.#young.set(id, item);
  }
}
