/**
 * The progress of the load of a snapshot, and whether it is still wanted.
 */
export class LoadProgress {
  readonly #isWanted: () => boolean;
  #bytes = 0;
  #loaded = 0;

  /** @param isWanted Whether the load goes on. */
  constructor(isWanted: () => boolean = () => true) {
    this.#isWanted = isWanted;
  }

  /** Bytes that will be read. */
  begin(bytes: number): void {
    this.#bytes = bytes;
  }

  /** @throws {Error} The load is not wanted any more. */
  loaded(bytes: number): void {
    if (!this.#isWanted()) throw new Error("the shard has ended before its rows were loaded");
    this.#loaded += bytes;
  }

  /** Share of the bytes that are read, 0 to 1. */
  get share(): number {
    return this.#bytes === 0 ? 0 : this.#loaded / this.#bytes;
  }
}
