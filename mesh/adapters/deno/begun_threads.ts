/**
 * Worker threads that load their modules before there is anything for them to do, while the main
 * thread loads its own.
 */

/** Threads of one entry module, by name, until they are taken. */
export class BegunThreads {
  readonly #waiting = new Map<string, Worker>();

  /**
   * Begins the threads.
   *
   * @param entry Their module, as in `WorkerThreadsOptions`.
   */
  constructor(entry: URL, names: readonly string[]) {
    for (const name of names) {
      const worker = new Worker(entry, { type: "module", name });
      // The thread that is made in its place fails again, where its failure is reported.
      worker.onerror = (event) => {
        event.preventDefault();
        this.#waiting.delete(name);
      };
      this.#waiting.set(name, worker);
    }
  }

  /** Gives a thread away; undefined where none of this name waits. */
  take(name: string): Worker | undefined {
    const worker = this.#waiting.get(name);
    this.#waiting.delete(name);
    return worker;
  }

  /** Ends the threads that were not taken. */
  [Symbol.dispose](): void {
    for (const worker of this.#waiting.values()) worker.terminate();
    this.#waiting.clear();
  }
}
