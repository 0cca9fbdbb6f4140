/**
 * The ends of a log's durable records, which the thread that writes tells the threads that read.
 */

/** The durable end of each partition. */
export interface LogEnds {
  load(partition: number): number;
  /** Sets the end and tells followers. */
  store(partition: number, end: number): void;
  /**
   * Calls the listener with each new end, or with the newest of several.
   *
   * @returns Ends the calls.
   */
  follow(partition: number, listener: (end: number) => void): () => void;
}

/** Memory for {@link SharedLogEnds} that can be sent to other threads. */
export function createLogEnds(partitions: number): SharedArrayBuffer {
  return new SharedArrayBuffer(partitions * BigInt64Array.BYTES_PER_ELEMENT);
}

/** Ends in memory that threads share. */
export class SharedLogEnds implements LogEnds {
  readonly #ends: BigInt64Array;

  /** @param memory From {@link createLogEnds}. */
  constructor(memory: SharedArrayBuffer) {
    this.#ends = new BigInt64Array(memory);
  }

  load(partition: number): number {
    return Number(Atomics.load(this.#ends, partition));
  }

  store(partition: number, end: number): void {
    Atomics.store(this.#ends, partition, BigInt(end));
    Atomics.notify(this.#ends, partition);
  }

  /** Waits for each new end, without a timer. */
  follow(partition: number, listener: (end: number) => void): () => void {
    let ended = false;
    const wait = async () => {
      while (!ended) {
        const end = Atomics.load(this.#ends, partition);
        listener(Number(end));
        const change = Atomics.waitAsync(this.#ends, partition, end);
        if (change.async) await change.value;
      }
    };
    void wait();
    return () => {
      ended = true;
      Atomics.notify(this.#ends, partition);
    };
  }
}
