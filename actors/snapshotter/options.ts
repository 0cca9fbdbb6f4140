/**
 * What a snapshotter needs to know, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";

/** How often a snapshot is taken, of whom, and how many are kept. */
/** Whom it asks, how often, and what it keeps. */
export interface SnapshotterOptions {
  readonly trainer: Address;
  /** Embedding shards, by shard number. */
  readonly shards: readonly Address[];
  /** Pause between snapshots, ms. */
  readonly intervalMs: number;
  /** Finished snapshots that are kept, ≥ 2: a part that crashes while one is taken begins from the one before. */
  readonly snapshotsKept: number;
  /** Budget of one snapshot, ms. */
  readonly budgetMs: number;
}
