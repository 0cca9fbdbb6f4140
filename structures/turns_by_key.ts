/**
 * Runs asynchronous work on the same key one after another, in the order of the calls; work on
 * different keys runs at the same time.
 */
export class TurnsByKey {
  /** The end of the newest work by key. */
  readonly #ends = new Map<string, Promise<void>>();

  /** Keys on which work runs or waits. */
  get size(): number {
    return this.#ends.size;
  }

  /** Runs `work` when the earlier work on the key has ended, and resolves or rejects as it does. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#ends.get(key);
    const { promise: end, resolve } = Promise.withResolvers<void>();
    this.#ends.set(key, end);
    try {
      await before;
      return await work();
    } finally {
      if (this.#ends.get(key) === end) this.#ends.delete(key);
      resolve();
    }
  }
}
