/**
 * Parameter sync's door: it carries what was learned from the training shards and the trainer to those who serve.
 */
import type { Request } from "../../mesh/runtime/actor.ts";

/** One round: take deltas, apply them on the replicas, acknowledge; told by sync to itself every interval. */
export interface SyncRows {
  readonly kind: "syncRows";
}

/** Carries new dense weights to the scorers; told by sync to itself every interval. */
export interface SyncDense {
  readonly kind: "syncDense";
}

/** Makes one set of dense weights of several trainers' own; told by sync to itself every interval. */
export interface AverageDense {
  readonly kind: "averageDense";
}

/** How far what is served has come, and what was carried. */
export interface SyncStatus {
  /**
   * Every decided event accepted up to this wall time is served. Falls to 0 when a shard
   * loses what it had learned, and when sync itself begins anew, until the trainers have said how far they are.
   */
  readonly learnedThroughMs: number;
  readonly deltas: number;
  readonly rows: number;
  readonly bytes: number;
  readonly gaps: number;
  readonly denseVersion: number;
  /** Last acknowledged sequence per shard; 0 where none is. */
  readonly sequences: readonly number[];
}

/** Asks for {@link SyncStatus}. */
export interface GetSyncStatus extends Request<SyncStatus> {
  readonly kind: "getStatus";
}

/** All that parameter sync understands. */
export type ParameterSyncMessage = SyncRows | SyncDense | AverageDense | GetSyncStatus;
