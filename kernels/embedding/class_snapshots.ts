/**
 * Snapshots of one moment in all classes of a shard's rows.
 */
import type { EmbeddingTable } from "./embedding_table.ts";
import { SharedLimit } from "./shared_limit.ts";
import type { SnapshotChunk, SnapshotHeader, SnapshotSchema } from "./table_snapshot.ts";

/** A chunk of the snapshot of one class. */
export interface ClassChunk extends SnapshotChunk {
  readonly class: number;
}

/**
 * Divisor of the limit of all tables: the part that rows copied aside may take on top of it, of all
 * classes together.
 */
const ASIDE_SHARE = 4;

/** Writes the snapshots of all tables of a shard. */
export class ClassSnapshots {
  readonly #tables: readonly EmbeddingTable[];
  readonly #aside: SharedLimit;
  /** The class whose chunks are written. */
  #class = 0;

  /** @param bytesMax Memory of all tables together, bytes. */
  constructor(tables: readonly EmbeddingTable[], bytesMax: number) {
    this.#tables = tables;
    this.#aside = new SharedLimit(
      Math.floor(bytesMax / ASIDE_SHARE),
      tables.map(({ snapshots }) => ({ limitMemory: (max) => snapshots.limitAside(max) })),
    );
  }

  /** Runs work that may change rows of a class, which a running snapshot copies aside. */
  during<Result>(number: number, work: () => Result): Result {
    return this.#aside.during(number, work);
  }

  /**
   * Starts a snapshot of this moment in all classes; a running one is dropped.
   *
   * @param isStored Whether the snapshot that was begun last is stored; see `SnapshotWriter.cut`.
   * @param incrementBytesMax The snapshot is an increment to the last stored one if that takes at
   * most this many bytes. Default 0: it is a full one.
   */
  begin(isStored = false, incrementBytesMax = 0): SnapshotHeader[] {
    this.#class = 0;
    const changes = this.#tables.map((table, c) =>
      this.during(c, () => table.snapshots.cut(isStored))
    );
    const bytes = changes.reduce((sum, change) => sum + change.bytes, 0);
    const isIncrement = changes.every(({ known }) => known) && incrementBytesMax > 0 &&
      bytes <= incrementBytesMax;
    return this.#tables.map((table) => table.snapshots.begin(isIncrement ? "increment" : "full"));
  }

  /**
   * States that the rows of this moment are those of a stored snapshot, so that the next one may be
   * an increment to it.
   */
  settle(): void {
    for (const table of this.#tables) table.snapshots.settle();
  }

  /** By class, the layout that a snapshot of these tables has. */
  schemas(): SnapshotSchema[] {
    return this.#tables.map((table) => table.snapshots.moment().schema);
  }

  /**
   * The next rows of the snapshot, undefined after the last; see `SnapshotWriter.nextChunk`.
   */
  nextChunk(rowsMax: number): ClassChunk | undefined {
    for (; this.#class < this.#tables.length; this.#class++) {
      const { snapshots } = this.#tables[this.#class];
      const chunk = this.during(this.#class, () => snapshots.nextChunk(rowsMax));
      if (chunk !== undefined) return { class: this.#class, ...chunk };
    }
    return undefined;
  }

  /**
   * Share of the memory for rows copied aside that is allocated, 0 to 1. Near 1, the next changed
   * row may outrun the snapshot. 0 without a snapshot.
   */
  get asideShare(): number {
    return this.#aside.usedShare;
  }

  /** Ends the snapshot and frees its memory. */
  end(): void {
    this.#tables.forEach((table, c) => this.during(c, () => table.snapshots.end()));
  }
}
