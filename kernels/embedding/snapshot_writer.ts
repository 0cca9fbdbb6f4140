/**
 * Writes snapshots of a training table in chunks, while lookups and updates go on. Rows that change
 * before they are written are copied aside, in the kernel.
 */
import {
  type ChunkKind,
  REMOVED_ID_BYTES,
  SAVED_LINE_BYTES,
  savedRowBytes,
  type SnapshotChanges,
  type SnapshotChunk,
  type SnapshotHeader,
  type SnapshotKind,
  type SnapshotSchema,
} from "./table_snapshot.ts";
import type { KernelMemory } from "./kernel_memory.ts";
import { requireAccepted } from "./kernel_refusals.ts";

/** Contents of a chunk by the kernel's code. */
const CHUNK_KINDS: readonly ChunkKind[] = ["rows", "counters", "removed"];

/** Writes the snapshots of one table, one at a time. */
export class SnapshotWriter {
  readonly #memory: KernelMemory;
  readonly #schema: SnapshotSchema;

  constructor(memory: KernelMemory, schema: SnapshotSchema) {
    this.#memory = memory;
    this.#schema = schema;
  }

  /**
   * Makes this moment the cut of a snapshot, which {@link begin} begins at once; a running
   * one is dropped.
   *
   * @param isStored Whether the snapshot of the last cut is stored. Changes before it are forgotten
   * then.
   * @returns The changes since the last stored snapshot.
   */
  cut(isStored: boolean): SnapshotChanges {
    const memory = this.#memory;
    requireAccepted("cut a snapshot", memory.kernel.table_snapshot_cut(Number(isStored)));
    const [known, rows, removed, lines] = memory.words(4);
    const bytes = rows * savedRowBytes(this.#schema) + removed * REMOVED_ID_BYTES +
      lines * SAVED_LINE_BYTES;
    return { known: known === 1, bytes };
  }

  /** Makes this moment a cut whose snapshot is stored: this table was restored from it. */
  settle(): void {
    requireAccepted("settle a snapshot", this.#memory.kernel.table_snapshot_settle());
  }

  /**
   * Starts the snapshot of the cut that was just made, and returns its header. Lookups and updates
   * may follow while it is written.
   *
   * @param kind Default: full, with a cut of its own.
   */
  begin(kind?: SnapshotKind): SnapshotHeader {
    if (kind === undefined) this.cut(false);
    const memory = this.#memory;
    requireAccepted(
      "begin a snapshot",
      memory.kernel.table_snapshot_begin(Number(kind === "increment")),
    );
    const [
      rowsInTable,
      clockSeconds,
      updates,
      newestGeneration,
      rows,
      removed,
      emptiedGenerations,
    ] = memory.words(7);
    return {
      schema: this.#schema,
      kind: kind ?? "full",
      rows,
      removed,
      rowsInTable,
      clockSeconds,
      updates,
      newestGeneration,
      emptiedGenerations,
    };
  }

  /**
   * The next chunk of the snapshot, as of its start: counters, then removed ids, then rows;
   * `undefined` after the last, which ends the snapshot.
   *
   * @param rowsMax Bounds rows, removed ids, or lines of counters, of 72 bytes.
   * @throws {RangeError} When no snapshot is under way, or updates outran it: rows that changed
   *   before they were written take more than a quarter of `bytesMax`, or than {@link limitAside}
   *   left to them. Start again with larger chunks, or shorter pauses between them.
   */
  nextChunk(rowsMax: number): SnapshotChunk | undefined {
    const memory = this.#memory;
    const count = requireAccepted("write a snapshot", memory.kernel.table_snapshot_next(rowsMax));
    if (count === 0) {
      this.end();
      return undefined;
    }
    const [length, checksum, kind] = memory.words(3);
    const bytes = memory.bytes(length).slice();
    const holds = CHUNK_KINDS[kind];
    return { holds, rows: holds === "rows" ? count : 0, bytes, checksum };
  }

  /**
   * Moves the bound of the memory for rows copied aside, but does not free any. Default: a quarter
   * of the table's limit.
   *
   * @returns Bytes allocated for them.
   */
  limitAside(bytesMax: number): number {
    const limit = Math.min(bytesMax, 0xffff_ffff);
    return requireAccepted("limit a snapshot", this.#memory.kernel.table_snapshot_limit(limit));
  }

  /** Ends the snapshot and frees its memory. */
  end(): void {
    requireAccepted("end a snapshot", this.#memory.kernel.table_snapshot_end());
  }

  /** The header that a full snapshot of this moment would have. */
  moment(): SnapshotHeader {
    const memory = this.#memory;
    requireAccepted("read the moment", memory.kernel.table_moment());
    const [rows, clockSeconds, updates, newestGeneration] = memory.words(4);
    return {
      schema: this.#schema,
      kind: "full",
      rows,
      removed: 0,
      rowsInTable: rows,
      clockSeconds,
      updates,
      newestGeneration,
      emptiedGenerations: 0,
    };
  }
}
