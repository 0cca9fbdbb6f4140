/**
 * The snapshots of a shard: the one that is being written, and the stored one to which the next may
 * be an increment.
 */
import type {
  AbandonSnapshot,
  BeginSnapshot,
  WriteSnapshot,
  WriteSnapshotChunk,
} from "./protocol.ts";
import { ShardSnapshot, type ShardSnapshotParts, type SnapshotsBefore } from "./shard_snapshot.ts";

export class ShardSnapshots {
  readonly #parts: ShardSnapshotParts;
  /** The snapshot that was begun last. */
  #last: ShardSnapshot | undefined;
  /** The newest snapshot that is known to be stored, since which the tables know all changes. */
  #stored: string | undefined;
  /**
   * Erasures so far, and those before the full member of the stored chain: an erased row must not
   * stay in an earlier member, so a full snapshot follows.
   */
  #erasures = 0;
  #erasuresInChain = 0;

  constructor(parts: ShardSnapshotParts) {
    this.#parts = parts;
  }

  /** The tables are those of a stored snapshot; undefined where they are of none. */
  loaded(snapshot: string | undefined): void {
    this.#stored = snapshot;
  }

  /**
   * Called after an update: ends the pauses of a snapshot whose set-aside rows take much memory.
   */
  updated(): void {
    this.#last?.keepAhead();
  }

  /** Rows of a user were removed. */
  erased(): void {
    this.#erasures++;
    this.updated();
  }

  /** This moment is the cut of a snapshot. An unfinished one ends with an error. */
  begin(message: BeginSnapshot): void {
    const before = this.#before(message);
    this.abandon();
    this.#last = new ShardSnapshot(message.snapshot, this.#parts, before);
  }

  /** Handles a message about the snapshot that was begun last; another one has ended. */
  answer(message: WriteSnapshot | AbandonSnapshot | WriteSnapshotChunk): void {
    const snapshot = this.#last?.name === message.snapshot ? this.#last : undefined;
    switch (message.kind) {
      case "writeSnapshot":
        if (snapshot !== undefined) return snapshot.write(message);
        return this.#parts.context.replyError(
          message,
          new Error(
            `Cannot write the snapshot ${message.snapshot}: it was not begun, or another one has ` +
              "replaced it.",
          ),
        );
      case "abandonSnapshot":
        return snapshot?.abandon();
      case "writeSnapshotChunk":
        return snapshot?.writeChunk();
      default:
        message satisfies never;
    }
  }

  /** Ends an unfinished snapshot with an error. */
  abandon(): void {
    this.#last?.abandon();
  }

  /**
   * An increment holds the changes since the stored snapshot. That is the snapshot that was written
   * last, if the snapshotter names it as stored, or else the one before, whose changes the tables
   * know until they are told of a newer one.
   */
  #before({ base }: BeginSnapshot): SnapshotsBefore {
    const last = this.#last;
    const lastIsStored = last?.isWritten === true && last.name === base?.snapshot;
    if (lastIsStored) {
      this.#stored = last.name;
      if (last.kind === "full") this.#erasuresInChain = last.erasures;
    }
    const isKnown = base !== undefined && base.snapshot === this.#stored;
    const mayFollow = isKnown && this.#erasures === this.#erasuresInChain;
    const incrementBytesMax = mayFollow ? base.bytesMax[this.#parts.options.shard] : 0;
    return { lastIsStored, incrementBytesMax, erasures: this.#erasures };
  }
}
