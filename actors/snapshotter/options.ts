/**
 * What a snapshotter needs to know, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";

/** Whom it asks, how often, and what it keeps. */
export interface SnapshotterOptions {
  /** By partition of the example log. */
  readonly trainers: readonly Address[];
  /** Embedding shards, by shard number. */
  readonly shards: readonly Address[];
  /** From the beginning of a snapshot to the next, or between forgetting what was learned, ms. */
  readonly intervalMs: number;
  /** Time over which one that nobody waits for is spread at most, ms; 0 = it is written at once. */
  readonly spreadMs: number;
  /**
   * Finished snapshots that are kept, ≥ 2: a part that crashes while one is taken begins from the one before. 0 = none
   * is taken, since nothing survives the process, and the example log is forgotten as it is learned.
   */
  readonly snapshotsKept: number;
  /** Budget of one snapshot, ms. */
  readonly budgetMs: number;
}
