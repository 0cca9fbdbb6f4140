/**
 * One snapshot of a shard under way: a chunk of rows a turn, so that lookups and gradients wait for one chunk at most. The
 * tables keep the rows of the cut apart from what is learned meanwhile.
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
} from "../snapshotter/protocol.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import type { EmbeddingShardMessage, WriteSnapshot } from "./protocol.ts";

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
  #ended = false;

  constructor(name: string, parts: ShardSnapshotParts) {
    this.name = name;
    this.#parts = parts;
    const { slotNames } = parts.options;
    this.#header = { slotNames, classes: parts.tables.beginSnapshot() };
  }

  /** Begins to write; the request is answered after the last chunk. */
  write(request: WriteSnapshot): void {
    const { context } = this.#parts;
    if (this.#request !== undefined || this.#ended) {
      return context.replyError(request, new Error(`the snapshot ${this.name} is written already`));
    }
    this.#request = request;
    this.writeChunk();
  }

  /** Another snapshot takes its place. */
  abandon(): void {
    if (!this.#ended) this.#fail(new Error(`another snapshot took the place of ${this.name}`));
  }

  writeChunk(): void {
    if (this.#ended || this.#request === undefined) return;
    const { context, tables, blobs, options } = this.#parts;
    try {
      const chunk = tables.nextSnapshotChunk(options.snapshotChunkRows);
      if (chunk === undefined) return this.#finish();
      // Not awaited: the shard goes on learning while the store writes.
      writeChunk(blobs, this.#prefix, this.#chunks.length, chunk).then((part) => {
        this.#chunks.push(part);
        context.self.tell({ kind: "writeSnapshotChunk", snapshot: this.name });
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
