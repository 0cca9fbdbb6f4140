/**
 * A change of the number of shards, of trainers or of partitions, as the coordination store keeps
 * it.
 *
 *     asked ─▶ begun        the host with the role sync has taken a snapshot
 *       └────▶ cancelled    the operator has ended it
 *
 * A sharding is one division of the feature ids among shards, a dealing one of the partitions of
 * the example log among trainers. Both are numbered from 0, and the step to `begun` makes the next
 * one the present one of the mesh: atomically, so that every process finds either the old parts or
 * the new ones. Another partitioning (see partitioning.ts) is another dealing too, since there are
 * other partitions to deal.
 */

/** The parts whose number an operator changes. */
export type CountedParts = "shards" | "trainers" | "partitions";

/** The last change of a number of parts. */
export interface ReshardRecord {
  readonly parts: CountedParts;
  /** Number of the sharding, or of the dealing, that it begins. */
  readonly division: number;
  /** Parts before; of `partitions` those of the event log. */
  readonly from: number;
  /** Parts afterwards. */
  readonly to: number;
  /** Partitions of the example log afterwards; present for `partitions`. */
  readonly examples?: number;
  readonly state: "asked" | "begun" | "cancelled";
  /** Edition of the last plan of moves when the change was asked for; 0 = there was none. */
  readonly planBefore: number;
}

/** The request of an operator. */
export interface ReshardRequest {
  readonly parts: CountedParts;
  readonly to: number;
  /** Partitions of the example log; for `partitions`, where it is a multiple of `to`. */
  readonly examples?: number | undefined;
  /** The version of the mesh that the request was decided from; undefined = any. */
  readonly version?: number | undefined;
}

/** Least number of shards of a mesh. */
export const SHARDS_MIN = 1;
/** Greatest number of shards of a mesh. */
export const SHARDS_MAX = 1_024;

/** Greatest number of partitions of each log. */
export const PARTITIONS_MAX = 1_024;

/**
 * The protocol of the hosts that know changed partitions: that an append may be refused by a seal,
 * and the offsets of carried impressions. Older hosts are refused from the first change on.
 */
export const PARTITIONS_PROTOCOL = 2;

/** The mesh cannot change the number now; the message says what to do. */
export class ReshardRefusedError extends Error {
  override readonly name = "ReshardRefusedError";
  constructor(why: string, parts: CountedParts = "shards") {
    super(`The number of ${parts} stays as it is: ${why}.`);
  }
}
