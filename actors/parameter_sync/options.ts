/**
 * What parameter sync needs to know, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";

/** Who gives, who takes, how often and how much. */
export interface ParameterSyncOptions {
  /** Embedding shards, by shard number. */
  readonly shards: readonly Address[];
  /** Replicas of each shard, by shard number: `replicas[shard]`. */
  readonly replicas: readonly (readonly Address[])[];
  /** By partition of the example log; several have their dense weights averaged. */
  readonly trainers: readonly Address[];
  readonly scorers: readonly Address[];
  /** Pause between rounds of rows, ms. */
  readonly rowsIntervalMs: number;
  /** Pause between transfers of dense weights, ms. */
  readonly denseIntervalMs: number;
  /** Pause between means of several trainers' dense weights, ms. */
  readonly averageIntervalMs: number;
  /** Rows in one delta or catch-up page. */
  readonly deltaRowsMax: number;
  /** Deltas taken from one shard in one round. */
  readonly deltasPerRoundMax: number;
  /** Budget of one message, ms. */
  readonly budgetMs: number;
}
