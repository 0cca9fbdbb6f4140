/**
 * A map of texts in many small maps. A map that grows moves all of its entries at once: of a
 * million, that takes a tenth of a second; of a part of them, a millisecond.
 */

/** A power of two. */
const PARTS = 256;
/**
 * Last characters of a key that choose its part. Ids differ at the end, and a key that is made of
 * an id has up to eight characters after it.
 */
const CHARACTERS = 14;

export class SplitMap<V> {
  readonly #parts = Array.from({ length: PARTS }, () => new Map<string, V>());
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    return this.#parts[partOf(key)].get(key);
  }

  /** Adds a key that the map does not have. */
  add(key: string, value: V): void {
    this.#parts[partOf(key)].set(key, value);
    this.#size++;
  }

  delete(key: string): void {
    if (this.#parts[partOf(key)].delete(key)) this.#size--;
  }
}

/** The part of a key, 0 to 255. */
export function partOf(key: string): number {
  let hash = key.length;
  for (let i = Math.max(0, key.length - CHARACTERS); i < key.length; i++) {
    hash = Math.imul(hash, 31) + key.charCodeAt(i);
  }
  return (hash ^ (hash >>> 8)) & (PARTS - 1);
}
