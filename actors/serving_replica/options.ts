/**
 * What a serving replica needs to know, as plain data.
 */
export interface ServingReplicaOptions {
  /** The training shard whose rows it serves, from 0. */
  readonly shard: number;
  /** Weights per row: the sum of the table's segment dims. */
  readonly width: number;
  readonly precision: "fp32" | "fp16" | "int8";
  /** Hard limit of the table's memory, bytes. */
  readonly bytesMax: number;
}
