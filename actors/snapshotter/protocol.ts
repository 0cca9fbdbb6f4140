/**
 * The messages that a snapshotter understands.
 */
import type { Request } from "../../mesh/runtime/actor.ts";

/** Time to see whether a snapshot is due; told by the snapshotter to itself. */
export interface WakeSnapshotter {
  readonly kind: "wake";
}

/** Takes a snapshot now; answers with the manifest's name, or without one where it would change nothing. */
export interface TakeSnapshot extends Request<{ readonly name?: string }> {
  readonly kind: "takeSnapshot";
}

/** What was taken, and what became of it. */
export interface SnapshotterStatus {
  readonly taken: number;
  readonly failed: number;
  /** The newest snapshot. */
  readonly name?: string;
  /** Rows learned at its cut, by all trainers. */
  readonly sequence: number;
  readonly bytes: number;
}

/** Asks for {@link SnapshotterStatus}. */
export interface GetSnapshotterStatus extends Request<SnapshotterStatus> {
  readonly kind: "getStatus";
}

/** All that a snapshotter understands. */
export type SnapshotterMessage = WakeSnapshotter | TakeSnapshot | GetSnapshotterStatus;
