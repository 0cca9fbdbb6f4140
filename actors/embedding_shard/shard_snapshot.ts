/**
 * One snapshot of a shard under way: a chunk of rows a turn, so that lookups and gradients wait for one chunk at most, and
 * a pause between them, so that rankings do not wait for the disk and the cores it takes. The tables keep the rows of the
 * cut apart from what is learned meanwhile; where those become many, there are no more pauses.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { ClassTables } from "../../kernels/embedding/class_tables.ts";
import {
  encodePart,
  type ShardChunkPart,
  type ShardHeader,
  writeChunk,
  writePart,
} from "../../records/snapshot_parts.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import type { EmbeddingShardMessage, WriteSnapshot } from "./protocol.ts";

/** Share of the memory for rows that changed before they were written, from which on writing hurries. */
const ASIDE_SHARE_MAX = 0.5;
/** The longest time from one chunk to the next, ms: a few chunks need not be spread at all. */
const INTERVAL_MS_MAX = 1_000;

export interface ShardSnapshotParts {
  readonly context: ActorContext<EmbeddingShardMessage>;
  readonly tables: ClassTables;
  readonly blobs: BlobStore;
  readonly options: Pick<EmbeddingShardOptions, "shard" | "slotNames" | "snapshotChunkRows">;
}

export class ShardSnapshot {
  readonly name: string;
  readonly #parts: ShardSnapshotParts;
  readonly #header: ShardHeader;
  readonly #chunks: ShardChunkPart[] = [];
  #request: WriteSnapshot | undefined;
  /** From one chunk to the next, ms. */
  #intervalMs = 0;
  #nextAtMs = 0;
  /** There are no more pauses then. */
  #spreadEndsAtMs = 0;
  /** Until the next chunk; none while one is written. */
  #pause: { cancel(): void } | undefined;
  #ended = false;

  constructor(name: string, parts: ShardSnapshotParts) {
    this.name = name;
    this.#parts = parts;
    const { slotNames } = parts.options;
    this.#header = { slotNames, classes: parts.tables.beginSnapshot() };
  }

  /** Begins to write; the request is answered after the last chunk. */
  write(request: WriteSnapshot): void {
    const { context, options } = this.#parts;
    if (this.#request !== undefined || this.#ended) {
      const reason = this.#request === undefined ? "was given up" : "is written already";
      return context.replyError(request, new Error(`the snapshot ${this.name} ${reason}`));
    }
    this.#request = request;
    const rows = this.#header.classes.reduce((sum, header) => sum + header.rows, 0);
    const chunks = Math.max(1, rows / options.snapshotChunkRows);
    this.#intervalMs = Math.min(request.spreadMs / chunks, INTERVAL_MS_MAX);
    const nowMs = context.clock.monotonicMs();
    this.#spreadEndsAtMs = nowMs + request.spreadMs;
    // Shards that are told at the same time do not write at the same time.
    this.#nextAtMs = nowMs + context.random.stream("snapshot").nextFloat() * this.#intervalMs;
    this.#writeLater();
  }

  /** Rows have changed: no more pauses where they would outrun the snapshot. */
  keepAhead(): void {
    if (this.#ended || this.#intervalMs === 0) return;
    if (this.#parts.tables.snapshotAsideShare <= ASIDE_SHARE_MAX) return;
    this.#intervalMs = 0;
    this.#nextAtMs = 0;
    if (this.#pause === undefined) return;
    this.#pause.cancel();
    this.#writeLater();
  }

  /** Another snapshot takes its place. */
  abandon(): void {
    this.#fail(new Error(`another snapshot takes the place of ${this.name}`));
  }

  #writeLater(): void {
    const { context } = this.#parts;
    const pauseMs = Math.max(0, this.#nextAtMs - context.clock.monotonicMs());
    this.#nextAtMs = Math.min(this.#nextAtMs + this.#intervalMs, this.#spreadEndsAtMs);
    this.#pause = context.schedule(pauseMs, { kind: "writeSnapshotChunk", snapshot: this.name });
  }

  writeChunk(): void {
    // A pause that was cut short may end twice; one chunk is written at a time.
    if (this.#ended || this.#pause === undefined) return;
    this.#pause = undefined;
    const { tables, blobs, options } = this.#parts;
    try {
      const chunk = tables.nextSnapshotChunk(options.snapshotChunkRows);
      if (chunk === undefined) return this.#finish();
      // Not awaited: the shard goes on learning while the store writes.
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
    const request = this.#request!;
    const header = encodePart(this.#header);
    writePart(blobs, BatchKernel.create(), `${this.#prefix}/header`, header).then(
      (part) => context.reply(request, { shard, header: part, chunks: this.#chunks }),
      (error) => context.replyError(request, error),
    );
  }

  #fail(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#parts.tables.endSnapshot();
    if (this.#request !== undefined) this.#parts.context.replyError(this.#request, error);
  }

  get #prefix(): string {
    return `${this.name}/shard-${this.#parts.options.shard}`;
  }
}
