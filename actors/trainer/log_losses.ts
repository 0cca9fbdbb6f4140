/**
 * How often each trainer of a thread has found that the example log lost what shards had learned.
 * The incarnation that finds it ends, and the next one finds nothing.
 */
export class LogLosses {
  readonly #counts = new Map<string, number>();

  /** @param trainer Its name. */
  add(trainer: string): void {
    this.#counts.set(trainer, this.of(trainer) + 1);
  }

  of(trainer: string): number {
    return this.#counts.get(trainer) ?? 0;
  }
}
