/**
 * Writes one snapshot of a shard, all rows or the changes since the base: one chunk a turn, so that
 * lookups and gradients wait for one chunk at most, with pauses between the chunks, so that
 * rankings keep disk and cores.
 *
 * The tables set aside the cut's version of rows that change before they are written. When the
 * memory for them runs short, the snapshot goes on without pauses.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { ClassTables } from "../../kernels/embedding/class_tables.ts";
import type { SnapshotKind } from "../../kernels/embedding/table_snapshot.ts";
import {
  encodePart,
  type ShardChunkPart,
  type ShardHeader,
  writeChunk,
  writePart,
} from "../../records/snapshot_parts.ts";
import { invariant, present } from "../../structures/invariant.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import type { EmbeddingShardMessage, WriteSnapshot } from "./protocol.ts";

/** Share of the memory for rows set aside from which the pauses end. */
const ASIDE_SHARE_MAX = 0.5;
/** Longest time from one chunk to the next, ms. A few chunks need not be spread. */
const INTERVAL_MS_MAX = 1_000;

export interface ShardSnapshotParts {
  readonly context: ActorContext<EmbeddingShardMessage>;
  readonly tables: ClassTables;
  readonly blobs: BlobStore;
  readonly options: Pick<EmbeddingShardOptions, "shard" | "slotNames" | "snapshotChunkRows">;
}

/** The shard's knowledge of the snapshots before. */
export interface SnapshotsBefore {
  /** Whether the snapshot that the tables have begun last is stored. */
  readonly lastIsStored: boolean;
  /** Bytes that an increment may have; 0 = all rows are written. */
  readonly incrementBytesMax: number;
  /** Erasures before this snapshot. */
  readonly erasures: number;
}

export class ShardSnapshot {
  readonly name: string;
  readonly erasures: number;
  readonly #parts: ShardSnapshotParts;
  readonly #header: ShardHeader;
  readonly #chunks: ShardChunkPart[] = [];
  #request: WriteSnapshot | undefined;
  /** Time from one chunk to the next, ms. */
  #intervalMs = 0;
  #nextAtMs = 0;
  /** No pauses after this time. */
  #spreadEndsAtMs = 0;
  /** The timer of the next chunk; undefined while a chunk is written. */
  #pause: { cancel(): void } | undefined;
  #ended = false;
  #isWritten = false;

  constructor(name: string, parts: ShardSnapshotParts, before: SnapshotsBefore) {
    this.name = name;
    this.erasures = before.erasures;
    this.#parts = parts;
    const { slotNames } = parts.options;
    const { lastIsStored, incrementBytesMax } = before;
    const classes = parts.tables.snapshots.begin(lastIsStored, incrementBytesMax);
    this.#header = { slotNames, classes };
  }

  get kind(): SnapshotKind {
    return this.#header.classes[0].kind;
  }

  /** Whether all of it is in the blob store. */
  get isWritten(): boolean {
    return this.#isWritten;
  }

  /** Starts writing. The request is answered after the last chunk. */
  write(request: WriteSnapshot): void {
    const { context, options } = this.#parts;
    if (this.#request !== undefined || this.#ended) {
      const reason = this.#request === undefined ? "was abandoned" : "is being written already";
      return context.replyError(
        request,
        new Error(`Cannot write the snapshot ${this.name}: it ${reason}.`),
      );
    }
    this.#request = request;
    const rows = this.#header.classes.reduce((sum, header) => sum + header.rows, 0);
    const chunks = Math.max(1, rows / options.snapshotChunkRows);
    this.#intervalMs = Math.min(request.spreadMs / chunks, INTERVAL_MS_MAX);
    const nowMs = context.clock.monotonicMs();
    this.#spreadEndsAtMs = nowMs + request.spreadMs;
    // A random start, so that shards with the same request do not write at the same moments.
    this.#nextAtMs = nowMs + context.random.stream("snapshot").nextFloat() * this.#intervalMs;
    this.#writeLater();
  }

  /** Called after an update: ends the pauses where the rows set aside take too much memory. */
  keepAhead(): void {
    if (this.#ended || this.#intervalMs === 0) return;
    if (this.#parts.tables.snapshots.asideShare <= ASIDE_SHARE_MAX) return;
    this.#intervalMs = 0;
    this.#nextAtMs = 0;
    if (this.#pause === undefined) return;
    this.#pause.cancel();
    this.#writeLater();
  }

  /** Ends the snapshot: it is given up, another one replaces it, or the shard moves or stops. */
  abandon(): void {
    this.#fail(
      new Error(
        `The snapshot ${this.name} was given up: another one was begun, or ` +
          `embedding_shard/${this.#parts.options.shard} moves or stops.`,
      ),
    );
  }

  #writeLater(): void {
    const { context } = this.#parts;
    const pauseMs = Math.max(0, this.#nextAtMs - context.clock.monotonicMs());
    this.#nextAtMs = Math.min(this.#nextAtMs + this.#intervalMs, this.#spreadEndsAtMs);
    this.#pause = context.schedule(pauseMs, { kind: "writeSnapshotChunk", snapshot: this.name });
  }

  writeChunk(): void {
    // A cancelled pause may end a second time; one chunk is written at a time.
    if (this.#ended || this.#pause === undefined) return;
    this.#pause = undefined;
    const { tables, blobs, options } = this.#parts;
    try {
      const chunk = tables.snapshots.nextChunk(options.snapshotChunkRows);
      if (chunk === undefined) return this.#finish();
      // Not awaited: the shard learns while the store writes.
      writeChunk(blobs, this.#prefix, this.#chunks.length, chunk).then((part) => {
        this.#chunks.push(part);
        this.#writeLater();
      }).catch((error) => this.#fail(error));
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #finish(): void {
    const { context, blobs, options: { shard } } = this.#parts;
    this.#ended = true;
    const request = present(this.#request, "a snapshot is written on request");
    const rows = this.#chunks.reduce((sum, chunk) => sum + chunk.rows, 0);
    const rowsAtCut = this.#header.classes.reduce((sum, header) => sum + header.rows, 0);
    invariant(rows === rowsAtCut, "a finished snapshot holds every row of the cut");
    const { kind } = this;
    const header = encodePart(this.#header);
    writePart(blobs, BatchKernel.create(), `${this.#prefix}/header`, header).then(
      (part) => {
        this.#isWritten = true;
        context.reply(request, { shard, kind, header: part, chunks: this.#chunks });
      },
      (error) => context.replyError(request, error),
    );
  }

  #fail(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#parts.tables.snapshots.end();
    if (this.#request !== undefined) this.#parts.context.replyError(this.#request, error);
  }

  get #prefix(): string {
    return `${this.name}/shard-${this.#parts.options.shard}`;
  }
}
