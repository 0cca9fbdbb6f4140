/**
 * Those who asked to be told of something, in the order in which they asked.
 */
export class Listeners<Told extends unknown[]> {
  readonly #all = new Set<{ readonly listener: (...told: Told) => void }>();

  /** A listener that is added twice is told twice. Returns unsubscribe. */
  add(listener: (...told: Told) => void): () => void {
    const own = { listener };
    this.#all.add(own);
    return () => void this.#all.delete(own);
  }

  /** Tells those who are listening now; one who unsubscribes meanwhile may still hear of it. */
  tell(...told: Told): void {
    for (const { listener } of [...this.#all]) listener(...told);
  }

  /** Nobody is told any more. */
  clear(): void {
    this.#all.clear();
  }
}
