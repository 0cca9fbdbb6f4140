/**
 * An event names the ranking that it answers. This remembers the newest rankings and what they showed, so that a
 * wrong id is told to the client at once instead of being counted as unmatched an hour later.
 *
 * Items are kept as 32-bit hashes: 4 bytes an item, and the rare collision only lets an event through to the
 * joiner, which compares the ids themselves.
 */
import { RecentMap } from "./recent_map.ts";

export type Shown = "shown" | "item-not-shown" | "unknown-ranking";

/** Stands for what a ranking will show while it is being made. */
const underWay = new Uint32Array(0);

export class RecentRankings {
  /** Item hashes by ranking id. */
  readonly #shown: RecentMap<Uint32Array>;

  constructor(rankingsMax: number) {
    this.#shown = new RecentMap(rankingsMax);
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
    if (this.#shown.get(rankingId) === underWay) this.#shown.delete(rankingId);
  }

  /** @param shown From {@link hashItems}. */
  remember(rankingId: string, shown: Uint32Array): void {
    this.#shown.set(rankingId, shown);
  }

  check(rankingId: string, item: string): Shown {
    const shown = this.#shown.get(rankingId);
    if (shown === undefined || shown === underWay) return "unknown-ranking";
    return shown.includes(hashOf(item)) ? "shown" : "item-not-shown";
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
