/**
 * A serving replica's door: weights of one shard, for reading only, kept up by deltas.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { ServedRows } from "../../kernels/embedding/class_serving_tables.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { Recycled } from "../../structures/buffer_pool.ts";
import type { Delta, DeltaPosition } from "../embedding_shard/protocol.ts";

/**
 * Rows of `ids` as float32; absent ids give zeros and a 0 in `found`. Refused with {@link ReplicaNotCurrentError}
 * while the replica does not know whether it has all rows: from its start to the end of the first catch-up.
 */
export interface ReplicaLookup extends Request<ServedRows> {
  readonly kind: "lookup";
  /** Class after class; shape `[n]`. */
  readonly ids: FeatureIds;
  /** Where each class begins among the ids; shape `[classes + 1]`. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** The memory for the answer; moves with the request. */
  readonly spare?: Recycled<ServedRows>;
}

/**
 * The next delta. Applied when it follows the replica's position; acknowledged without effect when it is not newer; refused
 * as a gap otherwise, of another lineage too.
 */
export interface ApplyDelta
  extends Request<{ readonly status: "applied" | "duplicate" | "gap" | "corrupt" }> {
  readonly kind: "applyDelta";
  readonly delta: Delta;
}

/**
 * Rows outside the delta stream (catch-up). A replica that answered lookups goes on while pages come; with the last one
 * rows that none of them brought go, and the position is set. Refused with {@link CatchUpLostError} by a replica that
 * did not get the first page.
 */
export interface LoadRows extends Request<void> {
  readonly kind: "loadRows";
  /** The class of these rows. */
  readonly class: number;
  readonly ids: FeatureIds;
  readonly rows: Float32Array<ArrayBuffer>;
  /** The catch-up begins, or begins anew. */
  readonly first: boolean;
  /** On the last page: deltas go on from here. */
  readonly position?: DeltaPosition;
}

/** Asks where the replica stands; undefined before its first catch-up. */
export interface GetPosition extends Request<{ readonly position: DeltaPosition | undefined }> {
  readonly kind: "getPosition";
}

/** What a replica holds and how far it has followed its shard. */
export interface ReplicaStatistics {
  readonly shard: number;
  readonly rows: number;
  readonly bytes: number;
  /** Undefined before the first catch-up, until which it answers no lookup. */
  readonly position: DeltaPosition | undefined;
}

/** Asks for {@link ReplicaStatistics}. */
export interface GetReplicaStatistics extends Request<ReplicaStatistics> {
  readonly kind: "getStatistics";
}

/** All that a replica understands. */
export type ServingReplicaMessage =
  | ReplicaLookup
  | ApplyDelta
  | LoadRows
  | GetPosition
  | GetReplicaStatistics;

/** The replica waits for parameter sync; another one may serve meanwhile. */
export class ReplicaNotCurrentError extends Error {
  override readonly name = "ReplicaNotCurrentError";
  constructor(shard: number) {
    super(
      `The serving replica of shard ${shard} waits for its rows from parameter sync; try again in a moment.`,
    );
  }
}

/** Pages before this one went with an earlier incarnation: the catch-up has to begin anew. */
export class CatchUpLostError extends Error {
  override readonly name = "CatchUpLostError";
  constructor(shard: number) {
    super(
      `Cannot go on with the rows of the serving replica of shard ${shard}: it has restarted since the first page. Send all rows anew.`,
    );
  }
}
