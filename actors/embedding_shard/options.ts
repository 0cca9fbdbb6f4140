/**
 * What an embedding shard needs to know, as plain data.
 */
import type { ClassTablesOptions } from "../../kernels/embedding/class_tables.ts";

/** One shard and its tables. */
export interface EmbeddingShardOptions {
  /** From 0. */
  readonly shard: number;
  /** Shards in all: a snapshot of another number is spread over them anew. */
  readonly shards: number;
  readonly tables: ClassTablesOptions;
  /** What the slots are called, by their number in the ids: for messages, and for a snapshot's reader. */
  readonly slotNames: Readonly<Record<number, string>>;
  /** How often expired rows are looked for, ms. */
  readonly evictionIntervalMs: number;
  /** Buckets examined per search, of each class: bounds its pause. */
  readonly evictionBucketsMax: number;
  /** Rows of a snapshot that are written in one turn: bounds its pause. */
  readonly snapshotChunkRows: number;
}
