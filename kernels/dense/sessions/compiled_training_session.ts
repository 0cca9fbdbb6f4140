/**
 * A training session: feeds batches to a backend, checks the results, and counts steps.
 *
 * The backend's next state becomes the present state only after loss and weights passed the checks.
 */
import {
  checkpointDifferences,
  CheckpointError,
  requireWhole,
  tensorsIn,
  type TrainingCheckpoint,
} from "../checkpoint.ts";
import { divergedAt, type Divergence, LossWatch } from "../divergence.ts";
import { meanCount } from "../losses.ts";
import type { Model } from "../models/model.ts";
import { learningRateAt } from "../optimizers/learning_rate.ts";
import { allocateBatch } from "../training_batch.ts";
import { type TrainingGraph, trainingNames } from "../training_graph.ts";
import type {
  TrainingBatch,
  TrainingSession,
  TrainingSessionOptions,
  TrainingStep,
} from "../training_session.ts";
import { type DenseWeights, packWeights, unpackWeights } from "../weights.ts";
import { type HostMemory, ordinaryMemory } from "./host_memory.ts";
import { BatchFeeds, optimizerScalars, resultArrays } from "./step_feeds.ts";
import type { HostArrays, TrainingBackend } from "./training_backend.ts";

/** See {@link TrainingSession}. */
export class CompiledTrainingSession implements TrainingSession {
  readonly #compiled: TrainingGraph;
  readonly #backend: TrainingBackend;
  readonly #options: TrainingSessionOptions;
  readonly #lossWatch: LossWatch;
  /** Names of the inputs whose gradients the caller gets: slices and histories. */
  readonly #embedded: readonly string[];
  protected readonly feeds: BatchFeeds;
  readonly #memory: HostMemory;
  readonly #allocated: Float32Array<ArrayBuffer>[] = [];
  #steps = 0;
  #versionBefore = 0;
  #last: Promise<unknown> = Promise.resolve();
  #learningRateScale = 1;

  constructor(
    compiled: TrainingGraph,
    backend: TrainingBackend,
    options: TrainingSessionOptions,
  ) {
    this.#compiled = compiled;
    this.#backend = backend;
    this.#options = options;
    this.#memory = options.memory ?? ordinaryMemory;
    this.feeds = new BatchFeeds(compiled, options.seed);
    this.#lossWatch = new LossWatch(options.divergence, compiled.model.tasks);
    const { sparseInputs, historyInputs } = compiled.model;
    this.#embedded = [
      ...sparseInputs.map(({ slice }) => slice),
      ...historyInputs.map(({ name }) => name),
    ];
  }

  get model(): Model {
    return this.#compiled.model;
  }

  get provider(): string {
    return this.#backend.provider;
  }

  step(batch: TrainingBatch): Promise<TrainingStep> {
    // Read now: a scale that is set while the step waits is for later steps.
    const scale = this.#learningRateScale;
    const step = this.#last.then(() => this.#step(batch, scale));
    this.#last = step;
    step.catch(() => {
      // Waiting steps fail too; a step that is requested later runs.
      if (this.#last === step) this.#last = Promise.resolve();
    });
    return step;
  }

  async #step(batch: TrainingBatch, scale: number): Promise<TrainingStep> {
    const feeds = { ...this.feeds.of(batch, this.nextStep), ...this.scalars(scale) };
    const results = await this.#backend.run(batch.rows, feeds, resultArrays(batch));
    const loss = results[trainingNames.loss][0];
    const counts = () => meanCount(this.model.tasks, batch.logSampleRate);
    const divergence = this.endsWith(loss, { results, scale, counts });
    if (divergence !== undefined) throw divergedAt(divergence, batch);
    return {
      loss,
      logits: results[trainingNames.logits],
      gradients: Object.fromEntries(
        this.#embedded.map((name) => [name, results[trainingNames.gradientOf(name)]] as const),
      ),
    };
  }

  /** Number of the next step, from 1. */
  get nextStep(): number {
    return this.#steps + 1;
  }

  /** The optimizer's inputs for the next step. */
  protected scalars(learningRateScale: number): HostArrays {
    const learningRate = this.#learningRate(learningRateScale);
    return optimizerScalars(this.#options.optimizer, learningRate, this.nextStep);
  }

  /**
   * Makes the next state of the backend the present one where loss and state are sound.
   *
   * @returns The divergence otherwise; nothing has changed then.
   */
  protected endsWith(
    loss: number,
    { results, scale, counts }: {
      readonly results: HostArrays;
      readonly scale: number;
      /** Gives the mean weight of the batch's examples. */
      readonly counts: () => number;
    },
  ): Divergence | undefined {
    const isFinite = Number.isFinite(results[trainingNames.stepSquares][0]);
    const reason = this.#lossWatch.refuse(loss, counts) ??
      (isFinite ? undefined : "the gradient or the new weights are not finite");
    if (reason !== undefined) {
      return { step: this.nextStep, loss, learningRate: this.#learningRate(scale), reason };
    }
    this.#backend.commit();
    this.#lossWatch.accept(loss);
    this.#steps++;
    return undefined;
  }

  #learningRate(scale: number): number {
    const { optimizer, learningRateSchedule } = this.#options;
    return scale * learningRateAt(optimizer.learningRate, this.nextStep, learningRateSchedule);
  }

  /** The scale for steps that are requested now. */
  protected get learningRateScale(): number {
    return this.#learningRateScale;
  }

  setLearningRateScale(scale: number): Promise<void> {
    this.#learningRateScale = scale;
    return Promise.resolve();
  }

  allocateBatch(rows: number): TrainingBatch {
    return allocateBatch(this.model, rows, (length) => {
      const array = this.#memory.allocate(length);
      this.#allocated.push(array);
      return array;
    });
  }

  async weights(): Promise<DenseWeights> {
    const vectors = await this.#backend.readState();
    const version = this.#versionBefore + this.#steps;
    return unpackWeights(vectors[trainingNames.weights], this.#compiled.layout, version);
  }

  async load(weights: DenseWeights): Promise<void> {
    const vectors = await this.#backend.readState();
    vectors[trainingNames.weights] = packWeights(weights, this.#compiled.layout);
    await this.#backend.writeState(vectors);
    this.#steps = weights.version - this.#versionBefore;
  }

  async checkpoint(): Promise<TrainingCheckpoint> {
    return {
      step: this.#steps,
      versionBefore: this.#versionBefore,
      recentLoss: this.#lossWatch.recent,
      vectors: await this.#backend.readState(),
      layout: tensorsIn(this.#compiled.parameters),
    };
  }

  async restore(checkpoint: TrainingCheckpoint): Promise<void> {
    const own = { layout: tensorsIn(this.#compiled.parameters), vectors: this.#compiled.state };
    const differences = checkpointDifferences(checkpoint, own);
    if (differences.length > 0) {
      throw new CheckpointError(
        `Cannot restore the dense model: the checkpoint belongs to another model (${
          differences.join("; ")
        }); start from the configuration that wrote it.`,
      );
    }
    requireWhole(checkpoint);
    await this.#backend.writeState(checkpoint.vectors);
    this.#lossWatch.recent = checkpoint.recentLoss;
    this.#steps = checkpoint.step;
    this.#versionBefore = checkpoint.versionBefore;
  }

  async close(): Promise<void> {
    for (const array of this.#allocated) this.#memory.free(array);
    await this.#backend.close();
  }
}
