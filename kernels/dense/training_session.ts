/**
 * The training interface: batches in, losses and embedding gradients out, dense weights
 * carried from step to step.
 *
 * A session (sessions/compiled_training_session.ts) owns the state (weights, optimizer state, step
 * count); a backend (sessions/providers.ts) runs the compiled step. A step's new state replaces the
 * old state only after both loss and weights passed the checks, so a refused batch changes nothing.
 */
import type { TrainingCheckpoint } from "./checkpoint.ts";
import type { DivergenceOptions } from "./divergence.ts";
import { initialWeights } from "./initial_weights.ts";
import type { Model } from "./models/model.ts";
import type { LearningRateSchedule } from "./optimizers/learning_rate.ts";
import type { DenseOptimizerOptions } from "./optimizers/options.ts";
import { CompiledTrainingSession } from "./sessions/compiled_training_session.ts";
import type { HostMemory } from "./sessions/host_memory.ts";
import { ProviderUnavailableError } from "./sessions/onnx_runtime.ts";
import { PartsTrainingSession } from "./sessions/parts_training_session.ts";
import { createBackend, createPartsBackend, type Provider } from "./sessions/providers.ts";
import type { StateVectors } from "./sessions/training_backend.ts";
import type { TrainingBatch, TrainingResults } from "./training_batch.ts";
import { compileTraining, type TrainingGraph, trainingNames } from "./training_graph.ts";
import { type DenseWeights, packWeights } from "./weights.ts";

export {
  carriedOver,
  checkpointDifferences,
  CheckpointError,
  meanCheckpoint,
  type TrainingCheckpoint,
} from "./checkpoint.ts";
export type { TrainingBatch, TrainingResults } from "./training_batch.ts";

/**
 * A step's results; the arrays are those of `batch.results` when the device can write into them.
 */
export interface TrainingStep extends TrainingResults {
  /** Mean loss over the batch, before the update. */
  readonly loss: number;
}

/** A model in training. */
export interface TrainingSession {
  readonly model: Model;
  /** Where steps run: "cpu", "webgpu", "cuda" or "reference". */
  readonly provider: string;
  /**
   * Trains on one batch. A step that is requested while another one runs waits for it, and fails
   * when it fails.
   *
   * @throws {DivergenceError} When the loss is not finite or exploded, or when the new weights or
   *   the squares of their gradient are not finite. The batch is refused as if it had not been
   *   given: weights, optimizer state, statistics, step count and dropout are unchanged, and
   *   the next step may have a part of its rows. Its result arrays hold no meaningful numbers.
   */
  step(batch: TrainingBatch): Promise<TrainingStep>;
  /**
   * Scales the configured learning rate of steps that are requested from now on. Initially 1; not
   * in checkpoints.
   */
  setLearningRateScale(scale: number): Promise<void>;
  /**
   * Zeroed arrays for a batch of `rows` and its results, in the memory that the device copies
   * fastest. They can be used for any number of steps and are freed with the session.
   */
  allocateBatch(rows: number): TrainingBatch;
  /**
   * A copy of the weights; their version is the number of steps plus the version that a changed
   * model started with.
   */
  weights(): Promise<DenseWeights>;
  /** Replaces the weights, not the optimizer's state, and continues from their version. */
  load(weights: DenseWeights): Promise<void>;
  /** A copy of all state: a session that restores it continues with the same bits. */
  checkpoint(): Promise<TrainingCheckpoint>;
  /**
   * Continues from a checkpoint.
   *
   * @throws {CheckpointError} When it belongs to another model or optimizer ({@link carriedOver}
   *   adapts it), or is damaged.
   */
  restore(checkpoint: TrainingCheckpoint): Promise<void>;
  /** Frees memory, on the device too. */
  close(): Promise<void>;
}

/** The optimizer of a session, and the device that it runs on. */
export interface TrainingSessionOptions {
  readonly optimizer: DenseOptimizerOptions;
  readonly learningRateSchedule?: LearningRateSchedule;
  readonly provider: Provider;
  /** Threads of one step on the CPU, ≥ 1. */
  readonly threads: number;
  /** Seeds the first weights and dropout. */
  readonly seed: number;
  readonly divergence?: DivergenceOptions;
  /** Allocates the arrays that are copied to a device. Default: ordinary memory. */
  readonly memory?: HostMemory;
}

/**
 * A session with untrained weights.
 *
 * @throws {ProviderUnavailableError} When the provider is not available on this machine.
 */
export async function createTrainingSession(
  model: Model,
  options: TrainingSessionOptions,
): Promise<TrainingSession> {
  const compiled = compileTraining(model, options.optimizer);
  const backend = await createBackend(compiled, options.provider, options);
  await backend.writeState(firstState(compiled, options.seed));
  return new CompiledTrainingSession(compiled, backend, options);
}

/**
 * A session with untrained weights, whose steps several threads of the CPU can share.
 *
 * @throws {ProviderUnavailableError} When the provider is another, or the CPU is not available.
 */
export async function createPartsSession(
  model: Model,
  options: TrainingSessionOptions,
): Promise<PartsTrainingSession> {
  const { provider } = options;
  if (provider !== "cpu") {
    throw new ProviderUnavailableError(
      `Cannot run the dense model on "${provider}" in several threads; choose provider "cpu", or one thread.`,
    );
  }
  const compiled = compileTraining(model, options.optimizer);
  const backend = await createPartsBackend(compiled);
  await backend.writeState(firstState(compiled, options.seed));
  return new PartsTrainingSession(compiled, backend, options);
}

function firstState(compiled: TrainingGraph, seed: number): StateVectors {
  const weights = packWeights(initialWeights(compiled.parameters, seed), compiled.layout);
  const first: StateVectors = { [trainingNames.weights]: weights };
  for (const [name, value] of Object.entries(compiled.state)) {
    if (value !== undefined) first[name] = weights.slice().fill(value);
  }
  return first;
}
