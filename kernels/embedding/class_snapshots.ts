/**
 * Snapshots of one moment in all classes of a shard's rows.
 */
import type { EmbeddingTable } from "./embedding_table.ts";
import type { SnapshotChunk, SnapshotHeader, SnapshotSchema } from "./table_snapshot.ts";

/** A chunk of the snapshot of one class. */
export interface ClassChunk extends SnapshotChunk {
  readonly class: number;
}

/** Writes the snapshots of all tables of a shard. */
export class ClassSnapshots {
  readonly #tables: readonly EmbeddingTable[];
  /** The class whose chunks are written. */
  #class = 0;

  constructor(tables: readonly EmbeddingTable[]) {
    this.#tables = tables;
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
    const changes = this.#tables.map((table) => table.snapshots.cut(isStored));
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
      const chunk = this.#tables[this.#class].snapshots.nextChunk(rowsMax);
      if (chunk !== undefined) return { class: this.#class, ...chunk };
    }
    return undefined;
  }

  /** The greatest `SnapshotWriter.asideShare` of all classes. */
  get asideShare(): number {
    return Math.max(...this.#tables.map((table) => table.snapshots.asideShare));
  }

  /** Ends the snapshot and frees its memory. */
  end(): void {
    for (const table of this.#tables) table.snapshots.end();
  }
}
