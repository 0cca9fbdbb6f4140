import type { ClassTablesOptions } from "../../kernels/embedding/class_tables.ts";

/** Plain data: one shard and its tables. */
export interface EmbeddingShardOptions {
  /** The shard's number, from 0. */
  readonly shard: number;
  /** Number of shards. The rows of a snapshot of another number are distributed anew. */
  readonly shards: number;
  readonly tables: ClassTablesOptions;
  /** Names of the slots, by their number in the ids; for log lines and snapshots. */
  readonly slotNames: Readonly<Record<number, string>>;
  /** Interval of the search for expired rows, ms. */
  readonly evictionIntervalMs: number;
  /** Buckets of each class examined per search; bounds the search's pause. */
  readonly evictionBucketsMax: number;
  /** Rows of a snapshot written in one turn; bounds the turn's pause. */
  readonly snapshotChunkRows: number;
}
