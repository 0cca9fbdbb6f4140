/**
 * The difference between the monotonic clocks of two nodes, from the times at which batches were
 * sent and received: the smallest difference of the last minute, which is the offset plus the
 * shortest transit.
 *
 * Clocks of two machines drift apart, by seconds in a day, so that older differences do not count.
 */

/** Two windows of this length hold the differences that count, ms. */
const WINDOW_MS = 30_000;

export class ClockOffset {
  #windowBeganMs = -Infinity;
  #current = Infinity;
  #previous = Infinity;

  /** Receiver's time minus sender's time, ms; Infinity before the first batch. */
  get ms(): number {
    return Math.min(this.#current, this.#previous);
  }

  /** Notes a batch. */
  add(sentMs: number, receivedMs: number): void {
    const age = receivedMs - this.#windowBeganMs;
    if (age >= WINDOW_MS) {
      this.#previous = age < 2 * WINDOW_MS ? this.#current : Infinity;
      this.#current = Infinity;
      this.#windowBeganMs = receivedMs;
    }
    this.#current = Math.min(this.#current, receivedMs - sentMs);
  }
}
