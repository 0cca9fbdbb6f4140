/**
 * A map that forgets its oldest entries, at the same cost at any size.
 *
 * Deleting the first key of one large Map costs more the more was deleted before (V8 walks over the
 * gaps: 80 µs at 200,000 entries, and 100 ms when it closes them). So entries live in generations:
 * new entries go into the newest generation, and the oldest generation is dropped as a whole.
 */
const GENERATIONS_MAX = 8;

/** The part of Map that a generation needs, and a bound of its own. */
export type Generation<K, V> =
  & Pick<Map<K, V>, "has" | "get" | "delete">
  & {
    readonly size: number;
    /** True when the generation takes no more entries, whatever their number. Absent = false. */
    readonly isFull?: boolean;
    set(key: K, value: V): unknown;
  };

/**
 * A map that forgets its oldest entries.
 *
 * @example
 * ```ts
 * import { RecentMap } from "./recent_map.ts";
 *
 * const recent = new RecentMap<string, number>(2);
 * for (const [i, id] of ["a", "b", "c"].entries()) recent.set(id, i);
 * console.assert(recent.get("a") === undefined && recent.get("c") === 2);
 * ```
 */
export class RecentMap<K, V> {
  /** Oldest first. */
  readonly #generations: Generation<K, V>[] = [];
  readonly #make: () => Generation<K, V>;
  readonly #generationEntriesMax: number;
  readonly #generationsMax: number;
  /** The oldest generation was made by {@link setOlder}, so it may take entries older than it. */
  #olderOpen = false;

  /**
   * @param entriesMax Entries held at most; the newest 7/8 of that number are always held.
   * @param make Makes an empty generation. Default: a Map.
   */
  constructor(entriesMax: number, make: () => Generation<K, V> = () => new Map()) {
    this.#make = make;
    this.#generationEntriesMax = Math.max(1, Math.floor(entriesMax / GENERATIONS_MAX));
    this.#generationsMax = Math.floor(entriesMax / this.#generationEntriesMax);
  }

  /** Entries held. */
  get size(): number {
    return this.#generations.reduce((sum, generation) => sum + generation.size, 0);
  }

  /** The generations held, the one that is dropped next first. */
  get generations(): readonly Generation<K, V>[] {
    return [...this.#generations];
  }

  /** The value of the key; undefined where it is not held. */
  get(key: K): V | undefined {
    return this.#generationOf(key)?.get(key);
  }

  /** Whether the key is held. */
  has(key: K): boolean {
    return this.#generationOf(key) !== undefined;
  }

  /** Sets the value of a key. A key that is held keeps its age. */
  set(key: K, value: V): void {
    (this.#generationOf(key) ?? this.#newest()).set(key, value);
  }

  /**
   * Adds an entry without looking for its key, which takes a cache miss or two a generation. Where
   * the key is held, the new value hides the earlier one.
   */
  add(key: K, value: V): void {
    this.#newest().set(key, value);
  }

  /** Forgets a key. */
  delete(key: K): void {
    for (const generation of this.#generations) generation.delete(key);
  }

  /** Searches the newest first: recent keys are asked for most. */
  #generationOf(key: K): Generation<K, V> | undefined {
    for (let i = this.#generations.length - 1; i >= 0; i--) {
      if (this.#generations[i].has(key)) return this.#generations[i];
    }
    return undefined;
  }

  /**
   * Adds an entry as older than all that are held, unless its key is held. For filling the map from
   * its newest entry backwards, also while new entries are set.
   *
   * @returns False when there is no room for an older entry.
   */
  setOlder(key: K, value: V): boolean {
    if (this.has(key)) return true;
    const oldest = this.#olderOpen ? this.#generations.at(0) : undefined;
    if (oldest !== undefined && !this.#isFull(oldest)) {
      oldest.set(key, value);
      return true;
    }
    if (this.#generations.length >= this.#generationsMax) return false;
    const made = this.#make();
    made.set(key, value);
    this.#generations.unshift(made);
    this.#olderOpen = true;
    return true;
  }

  #isFull(generation: Generation<K, V>): boolean {
    return generation.size >= this.#generationEntriesMax || (generation.isFull ?? false);
  }

  /** A generation with room. Makes one, and drops the oldest, where the newest is full. */
  #newest(): Generation<K, V> {
    const newest = this.#generations.at(-1);
    const isOlder = this.#olderOpen && this.#generations.length === 1;
    if (newest !== undefined && !isOlder && !this.#isFull(newest)) return newest;
    const made = this.#make();
    this.#generations.push(made);
    if (this.#generations.length > this.#generationsMax) {
      this.#generations.shift();
      this.#olderOpen = false;
    }
    return made;
  }
}
