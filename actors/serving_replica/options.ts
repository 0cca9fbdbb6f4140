import type { Precision } from "../../kernels/embedding/served_weights.ts";
import type { Address } from "../../mesh/runtime/actor.ts";

/** Plain data: the rows that a replica serves, and their limit. */
export interface ServingReplicaOptions {
  /** The training shard whose rows it serves, from 0. */
  readonly shard: number;
  /** The row feed of its host, told of each start; without it, the feed notices a bit later. */
  readonly rowFeed?: Address;
  /** Weights per row, by class: the sum of its slices' dims. */
  readonly widths: readonly number[];
  readonly precision: Precision;
  /** Hard limit of all classes' tables together, bytes. */
  readonly bytesMax: number;
}
