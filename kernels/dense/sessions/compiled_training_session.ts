/**
 * A training session: feeds batches to a backend, checks the results, and counts steps.
 *
 * The backend's next state becomes the present state only after loss and weights passed the checks.
 */
import {
  checkpointDifferences,
  CheckpointError,
  requireWhole,
  type TrainingCheckpoint,
} from "../checkpoint.ts";
import { divergedAt, LossWatch } from "../divergence.ts";
import { fillDropoutMask } from "../dropout.ts";
import { resolveShape, staticSize } from "../graph/shape.ts";
import { listMatrix } from "../lists.ts";
import { meanCount } from "../losses.ts";
import type { Model } from "../models/model.ts";
import { learningRateAt } from "../optimizers/learning_rate.ts";
import { optimizerRule } from "../optimizers/rules.ts";
import { historyFeeds } from "../history_arrays.ts";
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
import type { TrainingBackend } from "./training_backend.ts";

/** See {@link TrainingSession}. */
export class CompiledTrainingSession implements TrainingSession {
  readonly #compiled: TrainingGraph;
  readonly #backend: TrainingBackend;
  readonly #options: TrainingSessionOptions;
  readonly #lossWatch: LossWatch;
  /** Names of the inputs whose gradients the caller gets: slices and histories. */
  readonly #embedded: readonly string[];
  readonly #masks: Record<string, Float32Array<ArrayBuffer>> = {};
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
    // Read now, not when the step starts: replicas start a step at different times and need the
    // same scale.
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
    const t = this.#steps + 1;
    const { optimizer, learningRateSchedule } = this.#options;
    const learningRate = scale * learningRateAt(optimizer.learningRate, t, learningRateSchedule);
    const feeds = this.#feeds(batch, t, learningRate);
    const results = await this.#backend.run(batch.rows, feeds, this.#into(batch));

    const loss = results[trainingNames.loss][0];
    const counts = () => batch.share?.meanCount ?? meanCount(this.model.tasks, batch.logSampleRate);
    const reason = this.#lossWatch.refuse(loss, counts) ??
      (Number.isFinite(results[trainingNames.stepSquares][0])
        ? undefined
        : "the gradient or the new weights are not finite");
    if (reason !== undefined) {
      throw divergedAt({ step: t, loss, learningRate, reason }, batch);
    }
    this.#backend.commit();
    this.#lossWatch.accept(loss);
    this.#steps = t;
    return {
      loss,
      logits: results[trainingNames.logits],
      gradients: Object.fromEntries(
        this.#embedded.map((name) => [name, results[trainingNames.gradientOf(name)]] as const),
      ),
    };
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
      layout: this.#layout(),
    };
  }

  async restore(checkpoint: TrainingCheckpoint): Promise<void> {
    const own = { layout: this.#layout(), vectors: this.#compiled.state };
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

  #layout() {
    return this.#compiled.parameters.map(({ name, shape, axes }) => ({
      name,
      shape: shape as readonly number[],
      axes,
    }));
  }

  #into({ results }: TrainingBatch): Record<string, Float32Array<ArrayBuffer>> {
    if (results === undefined) return {};
    const { logits, gradientOf } = trainingNames;
    const gradients = Object.entries(results.gradients).map(([name, array]) =>
      [gradientOf(name), array] as const
    );
    return { [logits]: results.logits, ...Object.fromEntries(gradients) };
  }

  #feeds(batch: TrainingBatch, t: number, learningRate: number) {
    const { optimizer, graph, dropoutMasks } = this.#compiled;
    const rule = optimizerRule(optimizer.kind);
    const { rowsInAll, firstRow } = batch.share ?? { rowsInAll: batch.rows, firstRow: 0 };
    const feeds: Record<string, Float32Array<ArrayBuffer>> = {
      ...batch.sparse,
      ...historyFeeds(batch.histories),
      [trainingNames.dense]: batch.dense,
      [trainingNames.labels]: batch.labels,
      [trainingNames.logSampleRate]: batch.logSampleRate,
      [trainingNames.inverseRows]: Float32Array.of(1 / rowsInAll),
    };
    for (const [name, value] of Object.entries(rule.scalars(optimizer, learningRate, t))) {
      feeds[name] = Float32Array.of(value);
    }
    for (const [index, { name, width, rate }] of dropoutMasks.entries()) {
      if (this.#masks[name]?.length !== batch.rows * width) {
        this.#masks[name] = new Float32Array(batch.rows * width);
      }
      fillDropoutMask(this.#masks[name], rate, [this.#options.seed, t, index], firstRow * width);
      feeds[name] = this.#masks[name];
    }
    if (batch.lists !== undefined) {
      const matrix = new Float32Array(batch.rows ** 2);
      listMatrix(batch.lists, matrix);
      feeds[trainingNames.listMatrix] = matrix;
    }
    for (const { name, shape } of graph.inputs) {
      if (name in this.#compiled.state) continue;
      const size = staticSize(resolveShape(shape, { rows: batch.rows }));
      if (feeds[name]?.length !== size) {
        throw new RangeError(
          `Cannot train on ${batch.rows} rows: "${name}" has ${
            feeds[name]?.length
          } values and shape [${shape}] needs ${size}.`,
        );
      }
    }
    return feeds;
  }
}
