/**
 * The chain of stored snapshots: the one to which the next snapshot may be an increment.
 */
import type { BeginSnapshot } from "./protocol.ts";
import type { ShardSnapshot, SnapshotsBefore } from "./shard_snapshot.ts";

export class StoredChain {
  readonly #shard: number;
  /** The newest snapshot that is known to be stored, since which the tables know all changes. */
  #stored: string | undefined;
  /**
   * Erasures so far, and those before the full member of the stored chain: an erased row must not
   * stay in an earlier member, so a full snapshot follows.
   */
  #erasures = 0;
  #erasuresInChain = 0;

  constructor(shard: number) {
    this.#shard = shard;
  }

  /** The tables are those of a stored snapshot; undefined where they are of none. */
  begin(snapshot: string | undefined): void {
    this.#stored = snapshot;
  }

  /** Rows of a user were removed. */
  erased(): void {
    this.#erasures++;
  }

  /**
   * An increment holds the changes since the stored snapshot. That is the snapshot that was written
   * last, if the snapshotter names it as stored, or else the one before, whose changes the tables
   * know until they are told of a newer one.
   *
   * @param last The snapshot that was begun last.
   */
  next({ base }: BeginSnapshot, last: ShardSnapshot | undefined): SnapshotsBefore {
    const lastIsStored = last?.isWritten === true && last.name === base?.snapshot;
    if (lastIsStored) {
      this.#stored = last.name;
      if (last.kind === "full") this.#erasuresInChain = last.erasures;
    }
    const isKnown = base !== undefined && base.snapshot === this.#stored;
    const mayFollow = isKnown && this.#erasures === this.#erasuresInChain;
    const incrementBytesMax = mayFollow ? base.bytesMax[this.#shard] : 0;
    return { lastIsStored, incrementBytesMax, erasures: this.#erasures };
  }
}
