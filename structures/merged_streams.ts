/**
 * Merges streams of entries that are read piece by piece. Each stream keeps its own order; between
 * the first entries of all streams a comparison decides.
 */

/** Reads the next entries of a stream; none = the stream has no more for now. */
export type ReadEntries<T> = () => Promise<readonly T[]>;

/** An entry and the index of its stream. */
export interface MergedEntry<T> {
  readonly stream: number;
  readonly entry: T;
}

interface Head<T> {
  readonly read: ReadEntries<T>;
  entries: readonly T[];
  /** Index of the next entry. */
  next: number;
}

/**
 * Takes the first entry of all streams, one after another.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { MergedStreams } from "./merged_streams.ts";
 *
 * const read = (...pieces: number[][]) => () => Promise.resolve(pieces.shift() ?? []);
 * const merged = new MergedStreams([read([1, 4], [5]), read([2, 3])], (a, b) => a < b);
 * assert.deepEqual(await merged.next(), { stream: 0, entry: 1 });
 * assert.deepEqual(await merged.next(), { stream: 1, entry: 2 });
 * ```
 */
export class MergedStreams<T> {
  readonly #heads: readonly Head<T>[];
  readonly #isBefore: (a: T, b: T) => boolean;

  /** @param isBefore Strict: of equal entries the stream with the lowest index has the first. */
  constructor(reads: readonly ReadEntries<T>[], isBefore: (a: T, b: T) => boolean) {
    this.#heads = reads.map((read) => ({ read, entries: [], next: 0 }));
    this.#isBefore = isBefore;
  }

  /** The next entry; undefined where no stream has one now. A later call reads again. */
  async next(): Promise<MergedEntry<T> | undefined> {
    let first: MergedEntry<T> | undefined;
    for (const [stream, head] of this.#heads.entries()) {
      if (head.next === head.entries.length) {
        head.entries = await head.read();
        head.next = 0;
        if (head.entries.length === 0) continue;
      }
      const entry = head.entries[head.next];
      if (first === undefined || this.#isBefore(entry, first.entry)) first = { stream, entry };
    }
    if (first !== undefined) this.#heads[first.stream].next++;
    return first;
  }
}
