import type { ClassTablesOptions } from "../../kernels/embedding/class_tables.ts";
import type { OwnBlobs } from "../../records/own_blobs.ts";

/** Plain data: one shard and its tables. */
export interface EmbeddingShardOptions {
  /** The shard's number, from 0. */
  readonly shard: number;
  /** Number of shards. The rows of a snapshot of another number are distributed anew. */
  readonly shards: number;
  /**
   * Number of the ownership, where a mesh of several processes gives shards to hosts: a shard that
   * has handed itself over and crashes stays frozen within the same one.
   */
  readonly tenure?: number;
  /** The blob store from which it begins in such a mesh. Absent = any. */
  readonly ownBlobs?: OwnBlobs;
  readonly tables: ClassTablesOptions;
  /** Names of the slots, by their number in the ids; for log lines and snapshots. */
  readonly slotNames: Readonly<Record<number, string>>;
  /** Interval of the search for expired rows, ms. */
  readonly evictionIntervalMs: number;
  /** Buckets of each class examined per search; bounds the search's pause. */
  readonly evictionBucketsMax: number;
  /**
   * Size of a snapshot's rows, of all shards, up to which a start waits for its own rows before it
   * serves any, bytes.
   */
  readonly awaitedBytesMax: number;
  /** Rows of a snapshot written in one turn; bounds the turn's pause. */
  readonly snapshotChunkRows: number;
}
