/**
 * The rows of a snapshot that are being loaded while the shard serves those that it has: deltas and
 * pages carry loaded rows to the replicas, and messages of trainers wait until all are there.
 */
import type { RestoredShard } from "./shard_restore.ts";
import { WaitingMessages } from "./waiting_messages.ts";

/** The shard's rows are not all loaded yet. */
export class ShardLoadingError extends Error {
  override readonly name = "ShardLoadingError";
  constructor(shard: number, kind: string) {
    super(`embedding_shard/${shard} cannot ${kind} before its rows are loaded: try again later.`);
  }
}

/** The progress of a load. */
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

  /** From 0 to 1. */
  get share(): number {
    return this.#bytes === 0 ? 0 : this.#loaded / this.#bytes;
  }
}

/** A load under way. */
export class Loading {
  readonly restored: Promise<RestoredShard>;
  readonly #progress: LoadProgress;
  readonly waiting = new WaitingMessages("loading");

  constructor(restored: Promise<RestoredShard>, progress: LoadProgress) {
    this.restored = restored;
    this.#progress = progress;
  }

  /** From 0 to 1. */
  get share(): number {
    return this.#progress.share;
  }
}
