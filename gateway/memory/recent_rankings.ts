/**
 * Remembers the newest rankings and their items, so that an event with a wrong ranking id or item
 * is refused at once instead of being counted as unmatched when the window closes.
 *
 * Rankings are kept as fingerprints and items as half a fingerprint, 4 bytes an item. A collision
 * only lets an event pass to the joiner, which compares the items' ids themselves.
 */
import { type Fingerprint, fingerprintOf } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";
import { invariant } from "../../structures/invariant.ts";
import { type Generation, RecentMap } from "../../structures/recent_map.ts";

/** Result of looking an event's ranking and item up. */
export type Shown = "shown" | "item-not-shown" | "unknown-ranking";

/** Marks a ranking in progress; a finished ranking shows at least one item. */
const inProgress = new Uint32Array(0);
const isInProgress = (shown: Uint32Array | undefined) => shown?.length === 0;

export class RecentRankings {
  /** Item hashes by ranking. */
  readonly #shown: RecentMap<Fingerprint, Uint32Array>;
  /** Scratch array for the hashes of one ranking. */
  #hashes = new Uint32Array(0);

  constructor(rankingsMax: number) {
    this.#shown = new RecentMap(rankingsMax, () => new ShownItems());
  }

  get size(): number {
    return this.#shown.size;
  }

  /** Reserves `rankingId` for a ranking in progress; false when it is taken. */
  reserve(rankingId: string): boolean {
    const ranking = fingerprintOf(rankingId);
    if (this.#shown.has(ranking)) return false;
    this.#shown.set(ranking, inProgress);
    return true;
  }

  /** Frees a reserved id whose ranking failed. */
  release(rankingId: string): void {
    const ranking = fingerprintOf(rankingId);
    if (isInProgress(this.#shown.get(ranking))) this.#shown.delete(ranking);
  }

  remember(rankingId: string, items: readonly { readonly id: string }[]): void {
    invariant(items.length > 0, "a finished ranking shows at least one item");
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
    if (shown === undefined || isInProgress(shown)) return "unknown-ranking";
    return shown.includes(hashOf(item)) ? "shown" : "item-not-shown";
  }
}

const CHUNK_WORDS = 1 << 16;

/**
 * One generation of rankings: item hashes packed into chunks, each ranking's count before its
 * hashes. One array per ranking would make the garbage collector visit a hundred thousand objects.
 * Deleted and replaced entries keep their memory until the generation is dropped.
 */
class ShownItems implements Generation<Fingerprint, Uint32Array> {
  /** Offset of a ranking's first word, over all chunks. */
  readonly #offsets = new FingerprintMap();
  readonly #chunks: Uint32Array[] = [];
  /** Words used in the last chunk. */
  #filled = CHUNK_WORDS;

  get size(): number {
    return this.#offsets.size;
  }

  has(ranking: Fingerprint): boolean {
    return this.#offsets.has(ranking);
  }

  get(ranking: Fingerprint): Uint32Array | undefined {
    const offset = this.#offsets.get(ranking);
    if (offset === undefined) return undefined;
    const chunk = this.#chunks[Math.floor(offset / CHUNK_WORDS)];
    const at = offset % CHUNK_WORDS;
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
    this.#offsets.set(ranking, chunk * CHUNK_WORDS + this.#filled);
    this.#chunks[chunk][this.#filled] = count;
    this.#chunks[chunk].set(shown, this.#filled + 1);
    this.#filled += 1 + count;
  }

  delete(ranking: Fingerprint): boolean {
    return this.#offsets.delete(ranking);
  }
}

/** The items of a ranking in the form in which they are remembered. */
export function hashItems(items: readonly string[]): Uint32Array {
  return Uint32Array.from(items, hashOf);
}

function hashOf(item: string): number {
  return fingerprintOf(item).low;
}
