import type { Address } from "../../mesh/runtime/actor.ts";

/** Plain data: the replicas of a serving host, and where their rows come from. */
export interface RowFeedOptions {
  /** Number of the division of ids among the shards. */
  readonly sharding: number;
  /** The replicas of this serving host, each with its shard. */
  readonly replicas: readonly FedReplica[];
  /** The scorer of this host, and the replicas that it asks, by shard, here and elsewhere. */
  readonly scorer: Address;
  readonly asked: readonly (readonly Address[])[];
  /** Pause after a failure, ms. */
  readonly retryMs: number;
  /** Rows in one delta, in all deltas of an answer after the first, or in one page of a fill. */
  readonly rowsMax: number;
  /** Budget of one message, ms. */
  readonly budgetMs: number;
}

/** A replica, and the shard whose rows it serves. */
export interface FedReplica {
  readonly replica: Address;
  readonly shard: Address;
}
