import type { Address } from "../../mesh/runtime/actor.ts";

/** Plain data: the parts of a snapshot, its interval, and how many are retained. */
export interface SnapshotterOptions {
  /**
   * Epoch of the placement that it follows; absent where one process has all parts. No snapshot is
   * begun under another one.
   */
  readonly tenure?: number;
  /** All trainers of one dealing, in their order. */
  readonly trainers: readonly Address[];
  /** Number of that dealing. */
  readonly dealing: number;
  /** Number of all partitions of the example log: a snapshot has a part of each. */
  readonly partitions: number;
  /** Embedding shards, by shard number. */
  readonly shards: readonly Address[];
  /**
   * Time from one snapshot to the next; without snapshots, from one trim of the log to the next,
   * ms.
   */
  readonly intervalMs: number;
  /** Time over which a scheduled snapshot is spread at most, ms; 0 = written at once. */
  readonly spreadMs: number;
  /**
   * Finished snapshots that are retained, ≥ 2: an actor that crashes while a snapshot is taken
   * begins from the one before. 0 = no snapshots (nothing outlives the process), and the example
   * log is trimmed as it is learned.
   */
  readonly snapshotsRetained: number;
  /** Increments of a shard after its last full snapshot, at most; 0 = every snapshot is full. */
  readonly incrementsMax: number;
  /** Bytes of all increments of a shard, as a share of its full snapshot, at most. */
  readonly incrementsShare: number;
  /** Budget of one snapshot, ms. */
  readonly budgetMs: number;
}
