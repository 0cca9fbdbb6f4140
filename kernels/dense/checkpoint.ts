/**
 * What a training session writes down to go on from: weights, optimizer state, and the step that they belong to.
 */
import type { StateVectors } from "./sessions/training_backend.ts";

/** All that a session needs to go on to the same bits. */
export interface TrainingCheckpoint {
  readonly step: number;
  /** Mean of recent losses, by which explosions are told; NaN before the first step. */
  readonly recentLoss: number;
  /** Matrices of all weights, row-major: the weights and the optimizer's state. */
  readonly vectors: StateVectors;
  /** Names and shapes of the parameters in the matrices, in order: a checkpoint of another model is refused. */
  readonly layout: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

/** A checkpoint does not fit the session's model. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}
