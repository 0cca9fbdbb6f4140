/**
 * Listeners of one event, called in the order in which they were added.
 */
export class Listeners<Told extends unknown[]> {
  readonly #all = new Set<{ readonly listener: (...told: Told) => void }>();

  /**
   * Adds a listener; one that is added twice is called twice. Returns a function that removes it.
   */
  add(listener: (...told: Told) => void): () => void {
    const own = { listener };
    this.#all.add(own);
    return () => void this.#all.delete(own);
  }

  /** Calls the present listeners; a listener that is removed meanwhile may still be called. */
  tell(...told: Told): void {
    for (const { listener } of [...this.#all]) listener(...told);
  }

  /** Removes all listeners. */
  clear(): void {
    this.#all.clear();
  }
}
