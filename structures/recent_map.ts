/**
 * A map that forgets its oldest entries, cheaply at any size.
 *
 * Deleting the first key of one large Map costs more the more was deleted before it (V8 walks over the gaps: 80 µs at
 * 200,000 entries, and 100 ms when it closes them). So entries live in generations: the newest takes what comes, and
 * the oldest goes as a whole.
 */
const generationsMax = 8;

/** What a generation has to be able to do. */
export interface Generation<K, V> {
  readonly size: number;
  has(key: K): boolean;
  get(key: K): V | undefined;
  set(key: K, value: V): unknown;
  delete(key: K): boolean;
}

export class RecentMap<K, V> {
  /** Oldest first. */
  readonly #generations: Generation<K, V>[] = [];
  readonly #make: () => Generation<K, V>;
  readonly #generationEntriesMax: number;
  readonly #generationsMax: number;

  /**
   * @param entriesMax Entries held at most; between 7/8 of them and all are the newest.
   * @param make A generation without entries. Default: a Map.
   */
  constructor(entriesMax: number, make: () => Generation<K, V> = () => new Map()) {
    this.#make = make;
    this.#generationEntriesMax = Math.max(1, Math.floor(entriesMax / generationsMax));
    this.#generationsMax = Math.floor(entriesMax / this.#generationEntriesMax);
  }

  get size(): number {
    return this.#generations.reduce((sum, generation) => sum + generation.size, 0);
  }

  get(key: K): V | undefined {
    return this.#generationOf(key)?.get(key);
  }

  has(key: K): boolean {
    return this.#generationOf(key) !== undefined;
  }

  /** An entry that is there keeps its age. */
  set(key: K, value: V): void {
    (this.#generationOf(key) ?? this.#newest()).set(key, value);
  }

  delete(key: K): void {
    this.#generationOf(key)?.delete(key);
  }

  /** Recent entries are asked for most. */
  #generationOf(key: K): Generation<K, V> | undefined {
    for (let i = this.#generations.length - 1; i >= 0; i--) {
      if (this.#generations[i].has(key)) return this.#generations[i];
    }
    return undefined;
  }

  /** A generation with room; makes one, and drops the oldest, where there is none. */
  #newest(): Generation<K, V> {
    const newest = this.#generations.at(-1);
    if (newest !== undefined && newest.size < this.#generationEntriesMax) return newest;
    const made = this.#make();
    this.#generations.push(made);
    if (this.#generations.length > this.#generationsMax) this.#generations.shift();
    return made;
  }
}
