/**
 * Remembers the newest rankings and their items, so that an event with a wrong ranking id or item
 * is refused at once instead of being counted as unmatched when the window closes.
 *
 * Rankings are held as fingerprints and items as half a fingerprint, 4 bytes an item. A collision
 * only lets an event pass to the joiner, which compares the items' ids themselves.
 */
import { type Fingerprint, fingerprintOf } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";
import type { RankingLookup } from "../../mesh/ports/shared_rankings.ts";
import { invariant } from "../../structures/invariant.ts";
import { type Generation, RecentMap } from "../../structures/recent_map.ts";

export interface RankingBounds {
  /** Rankings remembered; the newest 7/8 of them always are, within `bytesMax`. */
  readonly rankingsMax: number;
  /** Memory for the item hashes of all rankings. */
  readonly bytesMax: number;
}

/** Generations that a full {@link RecentMap} has at least. */
const GENERATIONS_MIN = 8;

/** Words before the item hashes of a ranking: its time, float64. */
const TIME_WORDS = 2;
const time = new Float64Array(1);
const timeWords = new Uint32Array(time.buffer);

export class RecentRankings {
  /** Time and item hashes by ranking. */
  readonly #shown: RecentMap<Fingerprint, Uint32Array>;
  /** Scratch array for the hashes of one ranking. */
  #hashes = new Uint32Array(0);

  constructor({ rankingsMax, bytesMax }: RankingBounds) {
    const wordsMax = Math.floor(bytesMax / GENERATIONS_MIN / Uint32Array.BYTES_PER_ELEMENT);
    this.#shown = new RecentMap(rankingsMax, () => new ShownItems(wordsMax));
  }

  get size(): number {
    return this.#shown.size;
  }

  /**
   * Remembers a new ranking.
   *
   * @param atMs Its time on the data clock, ms.
   */
  remember(rankingId: string, items: readonly { readonly id: string }[], atMs: number): void {
    invariant(items.length > 0, "a ranking shows at least one item");
    const words = TIME_WORDS + items.length;
    if (this.#hashes.length < words) this.#hashes = new Uint32Array(2 * words);
    time[0] = atMs;
    this.#hashes.set(timeWords);
    for (let i = 0; i < items.length; i++) this.#hashes[TIME_WORDS + i] = hashOf(items[i].id);
    this.#shown.add(fingerprintOf(rankingId), this.#hashes.subarray(0, words));
  }

  /** Forgets a ranking that the log does not have. */
  forget(rankingId: string): void {
    this.#shown.delete(fingerprintOf(rankingId));
  }

  /**
   * Remembers a ranking of the log as older than all others.
   *
   * @param shown From {@link hashRanking}; copied.
   * @returns False when there is no room for older rankings.
   */
  recallOlder(rankingId: string, shown: Uint32Array): boolean {
    return this.#shown.setOlder(fingerprintOf(rankingId), shown);
  }

  /** Whether the ranking is remembered. */
  has(rankingId: string): boolean {
    return this.#shown.has(fingerprintOf(rankingId));
  }

  check(rankingId: string, item: string): RankingLookup {
    const shown = this.#shown.get(fingerprintOf(rankingId));
    if (shown === undefined) return "unknown-ranking";
    return shown.includes(hashOf(item), TIME_WORDS) ? "shown" : "item-not-shown";
  }

  /** Time of a ranking on the data clock, ms; undefined for an unknown one. */
  timeOf(rankingId: string): number | undefined {
    const shown = this.#shown.get(fingerprintOf(rankingId));
    if (shown === undefined) return undefined;
    timeWords.set(shown.subarray(0, TIME_WORDS));
    return time[0];
  }
}

const CHUNK_WORDS = 1 << 16;

/**
 * One generation of rankings: item hashes packed into chunks, each ranking's count before its
 * hashes. One array per ranking would make the garbage collector visit a hundred thousand objects.
 * Replaced entries keep their memory until the generation is dropped.
 */
class ShownItems implements Generation<Fingerprint, Uint32Array> {
  readonly #wordsMax: number;
  /** Offset of a ranking's first word, over all chunks. */
  readonly #offsets = new FingerprintMap();
  readonly #chunks: Uint32Array[] = [];
  /** Words used in the last chunk. */
  #filled = CHUNK_WORDS;

  constructor(wordsMax: number) {
    this.#wordsMax = wordsMax;
  }

  get size(): number {
    return this.#offsets.size;
  }

  get isFull(): boolean {
    return this.#filled + (this.#chunks.length - 1) * CHUNK_WORDS >= this.#wordsMax;
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
    invariant(count < CHUNK_WORDS, "a ranking shows fewer items than a chunk has words");
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

/** A ranking in the form in which it is remembered. @param atMs Its time on the data clock, ms. */
export function hashRanking(items: readonly string[], atMs: number): Uint32Array {
  const words = new Uint32Array(TIME_WORDS + items.length);
  time[0] = atMs;
  words.set(timeWords);
  items.forEach((item, i) => words[TIME_WORDS + i] = hashOf(item));
  return words;
}

function hashOf(item: string): number {
  return fingerprintOf(item).low;
}
