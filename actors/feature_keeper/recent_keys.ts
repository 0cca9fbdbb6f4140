/** A map that forgets the key that was written longest ago when it is full. */
export class RecentKeys<V> {
  readonly #max: number;
  readonly #values = new Map<string, V>();

  /** @param max Keys at most, from 1. */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  /** Writes a value; its key is then the newest. */
  set(key: string, value: V): void {
    this.#values.delete(key);
    if (this.#values.size >= this.#max) {
      const [oldest] = this.#values.keys();
      this.#values.delete(oldest);
    }
    this.#values.set(key, value);
  }

  /** From the oldest key to the newest. */
  entries(): IterableIterator<[string, V]> {
    return this.#values.entries();
  }
}
