/**
 * The messages of a serving replica: the read-only weights of one shard, updated by deltas.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { ServedRows } from "../../kernels/embedding/serving_table.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { ServedWeights } from "../../kernels/embedding/served_weights.ts";
import type { Recycled } from "../../structures/buffer_pool.ts";
import type { Delta, DeltaPosition } from "../embedding_shard/protocol.ts";

/** The answer to {@link ReplicaLookup}. */
export interface LookedUpRows extends ServedRows {
  /**
   * The replica's rows reflect all events accepted up to this time, ms since the Unix epoch;
   * undefined before the first mark of this incarnation of the shard.
   */
  readonly learnedThroughMs: number | undefined;
}

/**
 * Asks for the rows of `ids` as float32; absent ids give zeros and a 0 in `found`. Refused with
 * {@link ReplicaNotCurrentError} from the replica's start to the end of its first fill.
 */
export interface ReplicaLookup extends Request<LookedUpRows> {
  readonly kind: "lookup";
  /** Class after class; shape `[n]`. */
  readonly ids: FeatureIds;
  /** Where each class begins among the ids; shape `[classes + 1]`. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** The memory for the answer; moves with the request. */
  readonly spare?: Recycled<ServedRows>;
}

/**
 * The next delta. "applied": it follows the replica's position. "duplicate": it is not newer, and
 * has no effect. "gap": deltas before it are missing, or it is of another lineage. "corrupt": its
 * checksum is wrong, or its rows do not fit the replica.
 */
export interface ApplyDelta
  extends Request<{ readonly status: "applied" | "duplicate" | "gap" | "corrupt" }> {
  readonly kind: "applyDelta";
  readonly delta: Delta;
}

/**
 * One page of a fill, which replaces all rows. The replica serves its earlier rows meanwhile; the
 * last page removes the rows that no page brought, and sets the position. Refused with
 * {@link FillLostError} by a replica that did not get the first page.
 */
export interface LoadRows extends Request<void> {
  readonly kind: "loadRows";
  /** The class of these rows. */
  readonly class: number;
  readonly ids: FeatureIds;
  /** Exact, or in the replica's precision. */
  readonly rows: ServedWeights;
  /** Whether this is the first page; an unfinished fill is dropped. */
  readonly first: boolean;
  /** On the last page: the position that the next delta follows. */
  readonly position?: DeltaPosition;
  /** With `position`: the shard has rows that neither the pages nor the next deltas bring. */
  readonly lacksRows?: boolean;
}

/**
 * The mark of the replica's rows ({@link LookedUpRows.learnedThroughMs}), which holds for its
 * position and later ones. It is taken back before rows come that may know less.
 */
export interface SetMark extends Request<void> {
  readonly kind: "setMark";
  readonly learnedThroughMs: number | undefined;
}

/** Where the deltas of a replica go on. */
export interface ReplicaPosition {
  /** Undefined before the first fill. */
  readonly position: DeltaPosition | undefined;
  /** The last fill left rows out, see {@link LoadRows}. */
  readonly lacksRows?: boolean;
}

/** Asks for the {@link ReplicaPosition}. */
export interface GetPosition extends Request<ReplicaPosition> {
  readonly kind: "getPosition";
}

/** The contents of a replica, and its position. */
export interface ReplicaStatistics {
  readonly shard: number;
  readonly rows: number;
  /** New rows left out at the memory limit since the last fill began, an upper bound. */
  readonly rowsLeftOut: number;
  readonly bytes: number;
  /** Undefined before the first fill, until which lookups are refused. */
  readonly position: DeltaPosition | undefined;
}

/** Asks for {@link ReplicaStatistics}. */
export interface GetReplicaStatistics extends Request<ReplicaStatistics> {
  readonly kind: "getStatistics";
}

/** The replica's protocol. */
export type ServingReplicaMessage =
  | ReplicaLookup
  | ApplyDelta
  | LoadRows
  | SetMark
  | GetPosition
  | GetReplicaStatistics;

/** The replica waits for its first fill; another replica may serve meanwhile. */
export class ReplicaNotCurrentError extends Error {
  override readonly name = "ReplicaNotCurrentError";
  constructor(shard: number) {
    super(
      `The serving replica of shard ${shard} waits for its rows from the row feed; try again in a moment.`,
    );
  }
}

/** The replica has restarted since the first page: the fill has to begin again. */
export class FillLostError extends Error {
  override readonly name = "FillLostError";
  constructor(shard: number) {
    super(
      `Cannot fill the serving replica of shard ${shard}: it has restarted since the first page. ` +
        "Send all rows again.",
    );
  }
}
