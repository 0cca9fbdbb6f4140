/**
 * An event names the ranking that it answers. This remembers the newest rankings and what they showed, so that a
 * wrong id is told to the client at once instead of being counted as unmatched an hour later.
 *
 * Rankings are kept as fingerprints and items as half of theirs: 4 bytes an item, and the rare collision only lets an
 * event through to the joiner, which compares the items' ids themselves.
 */
import { type Fingerprint, fingerprintOf } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";
import { type Generation, RecentMap } from "../../structures/recent_map.ts";

export type Shown = "shown" | "item-not-shown" | "unknown-ranking";

/** Stands for what a ranking will show while it is being made; every ranking shows something. */
const underWay = new Uint32Array(0);
const isUnderWay = (shown: Uint32Array | undefined) => shown?.length === 0;

export class RecentRankings {
  /** Item hashes by ranking. */
  readonly #shown: RecentMap<Fingerprint, Uint32Array>;
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
    const ranking = fingerprintOf(rankingId);
    if (this.#shown.has(ranking)) return false;
    this.#shown.set(ranking, underWay);
    return true;
  }

  /** Gives back an id whose ranking failed. */
  release(rankingId: string): void {
    const ranking = fingerprintOf(rankingId);
    if (isUnderWay(this.#shown.get(ranking))) this.#shown.delete(ranking);
  }

  remember(rankingId: string, items: readonly { readonly id: string }[]): void {
    if (this.#hashes.length < items.length) this.#hashes = new Uint32Array(2 * items.length);
    for (let i = 0; i < items.length; i++) this.#hashes[i] = hashOf(items[i].id);
    this.#shown.set(fingerprintOf(rankingId), this.#hashes.subarray(0, items.length));
  }

  /** Remembers a ranking from before a restart. @param shown From {@link hashItems}; copied. */
  recall(rankingId: string, shown: Uint32Array): void {
    this.#shown.set(fingerprintOf(rankingId), shown);
  }

  check(rankingId: string, item: string): Shown {
    const shown = this.#shown.get(fingerprintOf(rankingId));
    if (shown === undefined || isUnderWay(shown)) return "unknown-ranking";
    return shown.includes(hashOf(item)) ? "shown" : "item-not-shown";
  }
}

const CHUNK_WORDS = 1 << 16;

/**
 * Hashes by ranking, one after another in chunks, each ranking's behind their number: as arrays of their own, those of a
 * hundred thousand rankings would be most of what the garbage collector has to look after. What is deleted or replaced
 * stays until all go.
 */
class ShownItems implements Generation<Fingerprint, Uint32Array> {
  /** Where a ranking's words begin. */
  readonly #places = new FingerprintMap();
  readonly #chunks: Uint32Array[] = [];
  /** Of the last chunk. */
  #filled = CHUNK_WORDS;

  get size(): number {
    return this.#places.size;
  }

  has(ranking: Fingerprint): boolean {
    return this.#places.has(ranking);
  }

  get(ranking: Fingerprint): Uint32Array | undefined {
    const place = this.#places.get(ranking);
    if (place === undefined) return undefined;
    const chunk = this.#chunks[Math.floor(place / CHUNK_WORDS)];
    const at = place % CHUNK_WORDS;
    return chunk.subarray(at + 1, at + 1 + chunk[at]);
  }

  set(ranking: Fingerprint, shown: Uint32Array): void {
    const count = shown.length;
    if (count >= CHUNK_WORDS) throw new RangeError(`A ranking cannot show ${count} items`);
    if (this.#filled + 1 + count > CHUNK_WORDS) {
      this.#chunks.push(new Uint32Array(CHUNK_WORDS));
      this.#filled = 0;
    }
    const chunk = this.#chunks.length - 1;
    this.#places.set(ranking, chunk * CHUNK_WORDS + this.#filled);
    this.#chunks[chunk][this.#filled] = count;
    this.#chunks[chunk].set(shown, this.#filled + 1);
    this.#filled += 1 + count;
  }

  delete(ranking: Fingerprint): boolean {
    return this.#places.delete(ranking);
  }
}

/** The items of a ranking as it is remembered. */
export function hashItems(items: readonly string[]): Uint32Array {
  return Uint32Array.from(items, hashOf);
}

function hashOf(item: string): number {
  return fingerprintOf(item).low;
}
