/**
 * An event names the ranking that it answers. This remembers the newest rankings and what they showed, so that a
 * wrong id is told to the client at once instead of being counted as unmatched an hour later.
 *
 * Items are kept as 32-bit hashes: 4 bytes an item, and the rare collision only lets an event through to the
 * joiner, which compares the ids themselves.
 */
export type Shown = "shown" | "item-not-shown" | "unknown-ranking";

export class RecentRankings {
  /** Item hashes by ranking id, in order of serving; undefined while a ranking is being made. */
  readonly #shown = new Map<string, Uint32Array | undefined>();
  readonly #rankingsMax: number;

  constructor(rankingsMax: number) {
    this.#rankingsMax = rankingsMax;
  }

  get size(): number {
    return this.#shown.size;
  }

  /** Keeps `rankingId` for a ranking about to be made; false where it is taken. */
  reserve(rankingId: string): boolean {
    if (this.#shown.has(rankingId)) return false;
    this.#set(rankingId, undefined);
    return true;
  }

  /** Gives back an id whose ranking failed. */
  release(rankingId: string): void {
    if (this.#shown.get(rankingId) === undefined) this.#shown.delete(rankingId);
  }

  remember(rankingId: string, items: readonly { readonly id: string }[]): void {
    this.#set(rankingId, hashItems(items.map(({ id }) => id)));
  }

  /** Remembers a ranking that the log holds. @param shown From {@link hashItems}. */
  recall(rankingId: string, shown: Uint32Array): void {
    this.#set(rankingId, shown);
  }

  check(rankingId: string, item: string): Shown {
    const shown = this.#shown.get(rankingId);
    if (shown === undefined) return "unknown-ranking";
    return shown.includes(hashOf(item)) ? "shown" : "item-not-shown";
  }

  #set(rankingId: string, shown: Uint32Array | undefined): void {
    this.#shown.set(rankingId, shown);
    if (this.#shown.size > this.#rankingsMax) {
      for (const oldest of this.#shown.keys()) {
        this.#shown.delete(oldest);
        break;
      }
    }
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
