/**
 * An event names the ranking that it answers. This remembers the newest rankings and what they showed, so that a
 * wrong id is told to the client at once instead of being counted as unmatched an hour later.
 *
 * Items are kept as 32-bit hashes: 4 bytes an item, and the rare collision only lets an event through to the
 * joiner, which compares the ids themselves.
 */
import { type Generation, RecentMap } from "./recent_map.ts";

export type Shown = "shown" | "item-not-shown" | "unknown-ranking";

/** Stands for what a ranking will show while it is being made; every ranking shows something. */
const underWay = new Uint32Array(0);
const isUnderWay = (shown: Uint32Array | undefined) => shown?.length === 0;

export class RecentRankings {
  /** Item hashes by ranking id. */
  readonly #shown: RecentMap<Uint32Array>;
  /** Where the items of a ranking are hashed. */
  #hashes = new Uint32Array(0);

  constructor(rankingsMax: number) {
    this.#shown = new RecentMap(rankingsMax, () => new ShownItems());
  }

  get size(): number {
    return this.#shown.size;
  }

  /** Keeps `rankingId` for a ranking about to be made; false where it is taken. */
  reserve(rankingId: string): boolean {
    if (this.#shown.has(rankingId)) return false;
    this.#shown.set(rankingId, underWay);
    return true;
  }

  /** Gives back an id whose ranking failed. */
  release(rankingId: string): void {
    if (isUnderWay(this.#shown.get(rankingId))) this.#shown.delete(rankingId);
  }

  remember(rankingId: string, items: readonly { readonly id: string }[]): void {
    if (this.#hashes.length < items.length) this.#hashes = new Uint32Array(2 * items.length);
    for (let i = 0; i < items.length; i++) this.#hashes[i] = hashOf(items[i].id);
    this.#shown.set(rankingId, this.#hashes.subarray(0, items.length));
  }

  /** Remembers a ranking from before a restart. @param shown From {@link hashItems}; copied. */
  recall(rankingId: string, shown: Uint32Array): void {
    this.#shown.set(rankingId, shown);
  }

  check(rankingId: string, item: string): Shown {
    const shown = this.#shown.get(rankingId);
    if (shown === undefined || isUnderWay(shown)) return "unknown-ranking";
    return shown.includes(hashOf(item)) ? "shown" : "item-not-shown";
  }
}

const CHUNK_HASHES = 1 << 16;

/**
 * Hashes by ranking, one after another in chunks: as arrays of their own, those of a hundred thousand rankings would
 * be most of what the garbage collector has to look after. What is deleted or replaced stays until all go.
 */
class ShownItems implements Generation<Uint32Array> {
  /** Where a ranking's hashes begin, and how many there are, in one number. */
  readonly #places = new Map<string, number>();
  readonly #chunks: Uint32Array[] = [];
  /** Of the last chunk. */
  #filled = CHUNK_HASHES;

  get size(): number {
    return this.#places.size;
  }

  has(rankingId: string): boolean {
    return this.#places.has(rankingId);
  }

  get(rankingId: string): Uint32Array | undefined {
    const place = this.#places.get(rankingId);
    if (place === undefined) return undefined;
    if (place === 0) return underWay;
    const count = place % CHUNK_HASHES;
    const begin = Math.floor(place / CHUNK_HASHES);
    const at = begin % CHUNK_HASHES;
    return this.#chunks[Math.floor(begin / CHUNK_HASHES)].subarray(at, at + count);
  }

  set(rankingId: string, shown: Uint32Array): void {
    const count = shown.length;
    if (count === 0) {
      this.#places.set(rankingId, 0);
      return;
    }
    if (count >= CHUNK_HASHES) throw new RangeError(`A ranking cannot show ${count} items`);
    if (this.#filled + count > CHUNK_HASHES) {
      this.#chunks.push(new Uint32Array(CHUNK_HASHES));
      this.#filled = 0;
    }
    const chunk = this.#chunks.length - 1;
    const begin = chunk * CHUNK_HASHES + this.#filled;
    this.#places.set(rankingId, begin * CHUNK_HASHES + count);
    this.#chunks[chunk].set(shown, this.#filled);
    this.#filled += count;
  }

  delete(rankingId: string): boolean {
    return this.#places.delete(rankingId);
  }
}

/** The items of a ranking as it is remembered. */
export function hashItems(items: readonly string[]): Uint32Array {
  const hashes = new Uint32Array(items.length);
  for (let i = 0; i < items.length; i++) hashes[i] = hashOf(items[i]);
  return hashes;
}

/** FNV-1a over UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
