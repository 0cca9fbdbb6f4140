/**
 * What an embedding shard needs to know, as plain data.
 */
import type { TableOptions } from "../../kernels/embedding/options.ts";

/** One shard and its table. */
export interface EmbeddingShardOptions {
  /** From 0. */
  readonly shard: number;
  /** Shards in all: a snapshot of another number is spread over them anew. */
  readonly shards: number;
  readonly table: TableOptions;
  /** How often expired rows are looked for, ms. */
  readonly evictionIntervalMs: number;
  /** Buckets examined per search: bounds its pause. */
  readonly evictionBucketsMax: number;
  /** Rows of a snapshot that are written in one turn: bounds its pause. */
  readonly snapshotChunkRows: number;
}
