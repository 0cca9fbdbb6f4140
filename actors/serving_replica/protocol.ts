/**
 * A serving replica's door: weights of one shard, for reading only, kept up by deltas.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { ServedRows } from "../../kernels/embedding/class_serving_tables.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { Delta } from "../embedding_shard/protocol.ts";

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
  /** An earlier answer that is not read any more, and moves with the request: the next one is made in its memory. */
  readonly spare?: ServedRows | undefined;
}

/**
 * The next delta. Applied when its sequence is one more than the replica's; acknowledged without effect when it
 * is not newer; refused as a gap otherwise, and then the replica says from where it needs to catch up.
 */
export interface ApplyDelta extends
  Request<
    { readonly sequence: number; readonly status: "applied" | "duplicate" | "gap" | "corrupt" }
  > {
  readonly kind: "applyDelta";
  readonly delta: Delta;
}

/**
 * Rows outside the delta stream (catch-up). A replica that answered lookups goes on while pages come; with the last one
 * rows that none of them brought go, and the sequence is set. Refused with {@link CatchUpLostError} by a replica that
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
  /** On the last page: deltas go on after this sequence. */
  readonly sequence?: number;
}

/** A round brought nothing for this shard: says which sequence is the newest, and asks for the replica's own. */
export interface Confirm extends Request<{ readonly sequence: number }> {
  readonly kind: "confirm";
  readonly sequence: number;
}

/** What a replica holds and how far it has followed its shard. */
export interface ReplicaStatistics {
  readonly shard: number;
  readonly rows: number;
  readonly bytes: number;
  readonly sequence: number;
  /** It answers lookups. */
  readonly current: boolean;
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
  | Confirm
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
