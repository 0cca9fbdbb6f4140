/**
 * The door to training: batches in, losses and embedding gradients out, dense weights kept between steps.
 *
 * A session owns the numbers (weights, optimizer state, step count); a backend runs the compiled step on them. A step's
 * new state replaces the old one only after it was found to be finite, so a diverging batch leaves the last good weights.
 */
import type { TrainingCheckpoint } from "./checkpoint.ts";
import type { DivergenceOptions } from "./divergence.ts";
import { initialWeights } from "./initial_weights.ts";
import type { Model } from "./models/model.ts";
import type { LearningRateSchedule } from "./optimizers/learning_rate.ts";
import type { DenseOptimizerOptions } from "./optimizers/options.ts";
import { CompiledTrainingSession } from "./sessions/compiled_training_session.ts";
import type { HostMemory } from "./sessions/host_memory.ts";
import type { AllReduce } from "./sessions/passes_backend.ts";
import { createBackend, type Provider } from "./sessions/providers.ts";
import type { StateVectors } from "./sessions/training_backend.ts";
import type { TrainingBatch, TrainingResults } from "./training_batch.ts";
import { compileTraining, TRAINING_NAMES } from "./training_graph.ts";
import { type DenseWeights, packWeights } from "./weights.ts";

export {
  carriedOver,
  checkpointDifferences,
  CheckpointError,
  type TrainingCheckpoint,
} from "./checkpoint.ts";
export type { TrainingBatch, TrainingResults } from "./training_batch.ts";

/** What a step found; the arrays are those of `batch.results` where the device can write into them. */
export interface TrainingStep extends TrainingResults {
  /** Mean over the batch, before the update. */
  readonly loss: number;
}

/** A model that learns. */
export interface TrainingSession {
  readonly model: Model;
  /** Where steps run: "cpu", "webgpu", "cuda" or "reference". */
  readonly provider: string;
  /**
   * Learns from one batch. Asked for before another step is done it waits for that one, and fails where that one fails.
   *
   * @throws {DivergenceError} When the loss or the new weights are not finite, or the loss exploded; the weights stay.
   */
  step(batch: TrainingBatch): Promise<TrainingStep>;
  /** Multiplies the configured learning rates of steps asked for from now on; 1 at first, and not part of a checkpoint. */
  setLearningRateScale(scale: number): Promise<void>;
  /**
   * Zeroed arrays for a batch of `rows` and its results, in the memory that the device copies fastest. Fill and pass
   * them to any number of steps; they are freed with the session.
   */
  allocateBatch(rows: number): TrainingBatch;
  /** A copy of the weights; its version is the number of steps, on top of the version that a changed model began with. */
  weights(): Promise<DenseWeights>;
  /** Replaces the weights (not the optimizer's state) and takes over their version. */
  load(weights: DenseWeights): Promise<void>;
  /** All state, copied: {@link restore} goes on from here to the same bits. */
  checkpoint(): Promise<TrainingCheckpoint>;
  /**
   * Goes on from a checkpoint.
   *
   * @throws {CheckpointError} When it is of another model or optimizer ({@link carriedOver} makes one of it), or damaged.
   */
  restore(checkpoint: TrainingCheckpoint): Promise<void>;
  /** Frees what it holds on the device. */
  close(): Promise<void>;
}

/** How it learns, and where it runs. */
export interface TrainingSessionOptions {
  readonly optimizer: DenseOptimizerOptions;
  readonly learningRateSchedule?: LearningRateSchedule;
  readonly provider: Provider;
  /** Threads of one step on the CPU, ≥ 1. */
  readonly threads: number;
  /** Seeds the first weights and dropout. */
  readonly seed: number;
  readonly divergence?: DivergenceOptions;
  /** Makes the arrays that travel to a device. Default: ordinary memory. */
  readonly memory?: HostMemory;
  /**
   * How replicas on the CPU sum their gradients, where several sessions take the same steps, each with its part of
   * every batch ({@link TrainingBatch.share}). Absent = this is the only one.
   */
  readonly allReduce?: AllReduce;
}

/**
 * A session with fresh weights.
 *
 * @throws {ProviderUnavailableError} When the provider cannot run here.
 */
export async function createTrainingSession(
  model: Model,
  options: TrainingSessionOptions,
): Promise<TrainingSession> {
  const compiled = compileTraining(model, options.optimizer);
  const first: StateVectors = {
    [TRAINING_NAMES.weights]: packWeights(
      initialWeights(compiled.parameters, options.seed),
      compiled.layout,
    ),
  };
  for (const [name, value] of Object.entries(compiled.state)) {
    if (value !== undefined) first[name] = first[TRAINING_NAMES.weights].slice().fill(value);
  }
  const backend = await createBackend(compiled, options.provider, options);
  await backend.writeState(first);
  return new CompiledTrainingSession(compiled, backend, options);
}
