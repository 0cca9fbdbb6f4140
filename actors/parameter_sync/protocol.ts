/**
 * The messages of parameter sync, which carries rows from the shards to the serving replicas, and
 * dense weights from the trainers to the scorers.
 */
import type { Request } from "../../mesh/runtime/actor.ts";

/** One round: take deltas, apply them on the replicas, acknowledge. Sync's own timer. */
export interface SyncRows {
  readonly kind: "syncRows";
}

/** Carries new dense weights to the scorers. Sync's own timer. */
export interface SyncDense {
  readonly kind: "syncDense";
}

/** Averages the dense weights of several trainers. Sync's own timer. */
export interface AverageDense {
  readonly kind: "averageDense";
}

/**
 * A scorer or a replica has started: it needs weights or rows before it can serve. Parameter sync
 * carries them in its next round, also where it is not told.
 */
export interface ServingStarted {
  readonly kind: "servingStarted";
}

/** The freshness of the served rows, and the work of sync since its start. */
export interface SyncStatus {
  /**
   * Every decided event accepted up to this wall time is served by all serving hosts. Falls to 0
   * when a shard restarts and when sync itself restarts, until all trainers have reported their
   * marks.
   */
  readonly learnedThroughMs: number;
  readonly deltas: number;
  readonly rows: number;
  readonly bytes: number;
  readonly gaps: number;
  readonly denseVersion: number;
  /** Rounds in which every serving host got all changes. */
  readonly roundsComplete: number;
  /** Last acknowledged sequence by shard; 0 before the first. */
  readonly sequences: readonly number[];
}

/** Asks for {@link SyncStatus}. */
export interface GetSyncStatus extends Request<SyncStatus> {
  readonly kind: "getStatus";
}

/** The protocol of parameter sync. */
export type ParameterSyncMessage =
  | SyncRows
  | SyncDense
  | AverageDense
  | ServingStarted
  | GetSyncStatus;
