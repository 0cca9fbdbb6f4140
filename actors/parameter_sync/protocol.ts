/**
 * The messages of parameter sync, which carries what the trainers have learned: their acceptance
 * marks to the shards, and their dense weights to the scorers.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { SetLeased } from "../../mesh/runtime/set_leased.ts";

/** Tells the shards the acceptance marks of the trainers. Sync's own timer. */
export interface TellMarks {
  readonly kind: "tellMarks";
}

/** Carries new dense weights to the scorers. Sync's own timer. */
export interface SyncDense {
  readonly kind: "syncDense";
}

/** Averages the dense weights of several trainers. Sync's own timer. */
export interface AverageDense {
  readonly kind: "averageDense";
}

/** A round of parameter sync. */
export type Round = TellMarks | SyncDense | AverageDense;

/**
 * A scorer has started: it needs weights before it can serve. Parameter sync carries them in its
 * next round, also where it is not told.
 */
export interface ServingStarted {
  readonly kind: "servingStarted";
}

/**
 * A trainer whose mark parameter sync knew has another one. Parameter sync asks for it in its next
 * round, within a second also where it is not told.
 */
export interface TrainerLearned {
  readonly kind: "trainerLearned";
}

/** The state of parameter sync. */
export interface SyncStatus {
  /** Every decided event accepted up to this wall time is learned, ms; 0 where that is unknown. */
  readonly learnedThroughMs: number;
  /** Version of the dense weights that were carried last. */
  readonly denseVersion: number;
}

/** Asks for {@link SyncStatus}. */
export interface GetSyncStatus extends Request<SyncStatus> {
  readonly kind: "getStatus";
}

/** The protocol of parameter sync. */
export type ParameterSyncMessage =
  | Round
  | ServingStarted
  | TrainerLearned
  | SetLeased
  | GetSyncStatus;
