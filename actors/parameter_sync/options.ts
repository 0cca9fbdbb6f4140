import type { Address } from "../../mesh/runtime/actor.ts";

/** Plain data: sources and targets of the sync, its intervals and bounds. */
export interface ParameterSyncOptions {
  /** Number of the division of ids among `shards`. */
  readonly sharding: number;
  /** Embedding shards, by shard number. */
  readonly shards: readonly Address[];
  /**
   * Replicas of each shard, by shard number and serving host: the scorer of `replicas[shard][host]`
   * is `scorers[host]`.
   */
  readonly replicas: readonly (readonly Address[])[];
  /**
   * All trainers at the start; those of a later dealing are learned from their answers. The dense
   * weights of several trainers are averaged.
   */
  readonly trainers: readonly Address[];
  /** One on each serving host. */
  readonly scorers: readonly Address[];
  /** Time between the beginnings of two rounds of rows, ms; the pause is at least half of it. */
  readonly rowsIntervalMs: number;
  /** Time between the beginnings of two transfers of dense weights, ms; see `rowsIntervalMs`. */
  readonly denseIntervalMs: number;
  /** Time between the beginnings of two averagings of dense weights, ms; see `rowsIntervalMs`. */
  readonly averageIntervalMs: number;
  /** Rows in one delta or one page of a fill. */
  readonly deltaRowsMax: number;
  /** Deltas taken from one shard in one round. */
  readonly deltasPerRoundMax: number;
  /** Budget of one message, ms. */
  readonly budgetMs: number;
}
