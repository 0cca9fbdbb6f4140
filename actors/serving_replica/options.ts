import type { Precision } from "../../kernels/embedding/served_weights.ts";
import type { Address } from "../../mesh/runtime/actor.ts";

/** Plain data: the rows that a replica serves, and their limit. */
export interface ServingReplicaOptions {
  /** The training shard whose rows it serves, from 0. */
  readonly shard: number;
  /**
   * Parameter sync, told of each start; without it, sync notices the start at its next full round.
   */
  readonly parameterSync?: Address;
  /** Weights per row, by class: the sum of its slices' dims. */
  readonly widths: readonly number[];
  readonly precision: Precision;
  /** Hard limit of all classes' tables together, bytes. */
  readonly bytesMax: number;
}
