/**
 * The messages that a snapshotter understands.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { SetLeased } from "../../mesh/runtime/set_leased.ts";

/** A stored snapshot to which the next one may be an increment. */
export interface SnapshotBase {
  readonly snapshot: string;
  /** By shard, the bytes that its increment may have; 0 = it has to write all rows. */
  readonly bytesMax: readonly number[];
}

/** Checks whether a snapshot is due; the snapshotter's own timer. */
export interface WakeSnapshotter {
  readonly kind: "wake";
}

/**
 * Takes a snapshot now. Answers with its name, or with none where nothing was learned since the
 * last.
 */
export interface TakeSnapshot extends Request<{ readonly name?: string }> {
  readonly kind: "takeSnapshot";
}

/** The newest snapshot, and the outcomes since the snapshotter's start. */
export interface SnapshotterStatus {
  readonly taken: number;
  readonly failed: number;
  /** Name of the newest snapshot. */
  readonly name?: string;
  /** Rows learned at its cut, by all trainers. */
  readonly sequence: number;
  readonly bytes: number;
}

/** Asks for {@link SnapshotterStatus}. */
export interface GetSnapshotterStatus extends Request<SnapshotterStatus> {
  readonly kind: "getStatus";
}

/** The snapshotter's protocol. */
export type SnapshotterMessage =
  | WakeSnapshotter
  | TakeSnapshot
  | SetLeased
  | GetSnapshotterStatus;
