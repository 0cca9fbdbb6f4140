import type { Address } from "../../mesh/runtime/actor.ts";

/** Plain data: sources and targets of the sync, its intervals and bounds. */
export interface ParameterSyncOptions {
  /** Embedding shards, by shard number. */
  readonly shards: readonly Address[];
  /** All trainers of the dealing. The dense weights of several trainers are averaged. */
  readonly trainers: readonly Address[];
  /** Number of the dealing of the example log's partitions among the trainers. */
  readonly dealing: number;
  /** One on each serving host. */
  readonly scorers: readonly Address[];
  /** Time between the beginnings of two rounds of marks, ms; the pause is at least half of it. */
  readonly rowsIntervalMs: number;
  /** Time between the beginnings of two transfers of dense weights, ms; see `rowsIntervalMs`. */
  readonly denseIntervalMs: number;
  /** Time between the beginnings of two averagings of dense weights, ms; see `rowsIntervalMs`. */
  readonly averageIntervalMs: number;
  /** Budget of one message, ms. */
  readonly budgetMs: number;
}
