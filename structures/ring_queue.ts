/**
 * A first-in-first-out queue that allocates nothing per entry: a power-of-two ring that doubles
 * when it is full. Its owner bounds its length.
 */
import { invariant } from "./invariant.ts";

/**
 * A first-in-first-out queue.
 *
 * @example
 * ```ts
 * import { RingQueue } from "./ring_queue.ts";
 *
 * const queue = new RingQueue<string>();
 * queue.push("first");
 * queue.push("second");
 * console.assert(queue.shift() === "first" && queue.length === 1);
 * ```
 */
export class RingQueue<T> {
  #entries: (T | undefined)[];
  /** Index of the oldest entry. */
  #head = 0;
  #length = 0;

  /** @param capacity Entries that fit before the ring grows for the first time: a power of 2. */
  constructor(capacity = 16) {
    invariant(
      capacity > 0 && (capacity & (capacity - 1)) === 0,
      "a ring's capacity is a power of 2",
    );
    this.#entries = new Array<T | undefined>(capacity).fill(undefined);
  }

  /** Entries that wait. */
  get length(): number {
    return this.#length;
  }

  /** Adds an entry behind all others. */
  push(entry: T): void {
    if (this.#length === this.#entries.length) this.#grow();
    this.#entries[(this.#head + this.#length) & (this.#entries.length - 1)] = entry;
    this.#length++;
  }

  /** The entry that {@link shift} would take; undefined when there is none. */
  peek(): T | undefined {
    return this.#entries[this.#head];
  }

  /** Takes the oldest entry; undefined when there is none. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const entry = this.#entries[this.#head];
    this.#entries[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#entries.length - 1);
    this.#length--;
    return entry;
  }

  #grow(): void {
    const old = this.#entries;
    const grown = new Array<T | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < this.#length; i++) grown[i] = old[(this.#head + i) & (old.length - 1)];
    this.#entries = grown;
    this.#head = 0;
  }
}
