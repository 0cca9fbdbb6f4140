/**
 * A change of the number of shards, as the coordination store keeps it.
 *
 *     asked ─▶ begun        the host with the role sync has taken a snapshot
 *       └────▶ cancelled    the operator has ended it
 *
 * A sharding is one division of the feature ids among shards. Shardings are numbered from 0, and
 * the step to `begun` makes the next one the sharding of the mesh: atomically, so that every
 * process finds either the old shards or the new ones.
 */

/** The last change of the number of shards. */
export interface ReshardRecord {
  /** Number of the sharding that it begins. */
  readonly sharding: number;
  /** Shards before. */
  readonly from: number;
  /** Shards afterwards. */
  readonly to: number;
  readonly state: "asked" | "begun" | "cancelled";
}

/** The request of an operator. */
export interface ReshardRequest {
  readonly shards: number;
  /** The version of the mesh that the request was decided from; undefined = any. */
  readonly version?: number | undefined;
}

/** Least number of shards of a mesh. */
export const SHARDS_MIN = 1;
/** Greatest number of shards of a mesh. */
export const SHARDS_MAX = 1_024;

/** The mesh cannot change its number of shards now; the message says what to do. */
export class ReshardRefusedError extends Error {
  override readonly name = "ReshardRefusedError";
  constructor(why: string) {
    super(`The number of shards stays as it is: ${why}.`);
  }
}
