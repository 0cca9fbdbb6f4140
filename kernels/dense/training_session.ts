/**
 * The door to training: batches in, losses and embedding gradients out, dense weights kept between steps.
 *
 * A session owns the numbers (weights, optimizer state, step count); a backend runs the compiled step on them. A step's
 * new state replaces the old one only after it was found to be finite, so a diverging batch leaves the last good weights.
 */
import { describeBatch, DivergenceError, type DivergenceOptions, LossWatch } from "./divergence.ts";
import { fillDropoutMask } from "./dropout.ts";
import { resolveShape, staticSize } from "./graph/shape.ts";
import { initialWeights } from "./initial_weights.ts";
import type { Model } from "./models/model.ts";
import { learningRateAt, type LearningRateSchedule } from "./optimizers/learning_rate.ts";
import type { DenseOptimizerOptions } from "./optimizers/options.ts";
import { optimizerRule } from "./optimizers/rules.ts";
import { type HostMemory, ordinaryMemory } from "./sessions/host_memory.ts";
import { type SequenceBatch, sequenceFeeds } from "./sequence_batch.ts";
import { createBackend, type Provider } from "./sessions/providers.ts";
import type { StateVectors, TrainingBackend } from "./sessions/training_backend.ts";
import { compileTraining, TRAINING_NAMES, type TrainingGraph } from "./training_graph.ts";
import { type DenseWeights, packWeights, unpackWeights } from "./weights.ts";

/** One minibatch. All arrays are row-major. */
export interface TrainingBatch {
  readonly rows: number;
  /** Pooled rows by segment. Shape `[rows, slots, dim]` each. */
  readonly sparse: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** List slots pooled by attention, by name; absent = the model has none. */
  readonly sequences?: Readonly<Record<string, SequenceBatch>>;
  /** Shape `[rows, denseWidth]`. */
  readonly dense: Float32Array<ArrayBuffer>;
  /** Shape `[rows, tasks]`. */
  readonly labels: Float32Array<ArrayBuffer>;
  /** ln(sample rate) of each example, 0 where it was not sampled. Shape `[rows]`. */
  readonly logSampleRate: Float32Array<ArrayBuffer>;
}

/** What a step found. The arrays are valid until the next step. */
export interface TrainingStep {
  /** Mean over the batch, before the update. */
  readonly loss: number;
  /** Raw outputs before the update. Shape `[rows, tasks]`. */
  readonly logits: Float32Array<ArrayBuffer>;
  /**
   * Gradients of the mean loss by segment, shape `[rows, slots, dim]` each, and by sequence, shape
   * `[rows, lengthMax, dim]` (0 where there is no entry).
   */
  readonly gradients: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
}

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

/** A model that learns. */
export interface TrainingSession {
  readonly model: Model;
  /** Where steps run: "cpu", "webgpu", "cuda" or "reference". */
  readonly provider: string;
  /** Why "auto" passed over devices that it would have preferred; empty for a named provider. */
  readonly passedOver: readonly string[];
  /**
   * Learns from one batch.
   *
   * @throws {DivergenceError} When the loss or the new weights are not finite, or the loss exploded; the weights stay.
   */
  step(batch: TrainingBatch): Promise<TrainingStep>;
  /**
   * Zeroed arrays for batches of `rows`, in the memory that the device copies fastest. Fill and pass them to any number
   * of steps; they are freed with the session.
   */
  allocateBatch(rows: number): TrainingBatch;
  /** A copy of the weights; its version is the number of steps. */
  weights(): Promise<DenseWeights>;
  /** Replaces the weights (not the optimizer's state) and takes over their version. */
  load(weights: DenseWeights): Promise<void>;
  /** All state, copied: {@link restore} goes on from here to the same bits. */
  checkpoint(): Promise<TrainingCheckpoint>;
  /**
   * Goes on from a checkpoint.
   *
   * @throws {CheckpointError} When it is of another model or optimizer.
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
}

/** A checkpoint does not fit the session's model. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
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
  const { value: backend, passedOver } = await createBackend(
    compiled,
    options.provider,
    options.threads,
    options.memory,
  );
  await backend.writeState(first);
  return new CompiledTrainingSession(compiled, backend, passedOver, options);
}

class CompiledTrainingSession implements TrainingSession {
  readonly #compiled: TrainingGraph;
  readonly #backend: TrainingBackend;
  readonly #options: TrainingSessionOptions;
  readonly #lossWatch: LossWatch;
  /** Names of the inputs that get a gradient. */
  readonly #embedded: readonly string[];
  readonly #masks: Record<string, Float32Array<ArrayBuffer>> = {};
  readonly #memory: HostMemory;
  readonly #allocated: Float32Array<ArrayBuffer>[] = [];
  #steps = 0;

  constructor(
    compiled: TrainingGraph,
    backend: TrainingBackend,
    readonly passedOver: readonly string[],
    options: TrainingSessionOptions,
  ) {
    this.#compiled = compiled;
    this.#backend = backend;
    this.#options = options;
    this.#memory = options.memory ?? ordinaryMemory;
    this.#lossWatch = new LossWatch(options.divergence);
    const { sparseInputs, sequenceInputs } = compiled.model;
    this.#embedded = [
      ...sparseInputs.map(({ segment }) => segment),
      ...sequenceInputs.map(({ name }) => name),
    ];
  }

  get model(): Model {
    return this.#compiled.model;
  }

  get provider(): string {
    return this.#backend.provider;
  }

  async step(batch: TrainingBatch): Promise<TrainingStep> {
    const t = this.#steps + 1;
    const { optimizer, learningRateSchedule } = this.#options;
    const learningRate = learningRateAt(optimizer.learningRate, t, learningRateSchedule);
    const results = await this.#backend.run(batch.rows, this.#feeds(batch, t, learningRate));

    const loss = results[TRAINING_NAMES.loss][0];
    const reason = this.#lossWatch.refuse(loss) ??
      (Number.isFinite(results[TRAINING_NAMES.weightsNorm][0])
        ? undefined
        : "the new weights are not finite");
    if (reason !== undefined) {
      throw new DivergenceError({
        step: t,
        loss,
        learningRate,
        reason,
        batch: describeBatch(batch),
      });
    }
    this.#backend.commit();
    this.#lossWatch.accept(loss);
    this.#steps = t;
    return {
      loss,
      logits: results[TRAINING_NAMES.logits],
      gradients: Object.fromEntries(
        this.#embedded.map((name) => [name, results[TRAINING_NAMES.gradientOf(name)]] as const),
      ),
    };
  }

  allocateBatch(rows: number): TrainingBatch {
    const { slots, denseWidth, tasks } = this.model.sizes;
    const allocate = (width: number) => {
      const array = this.#memory.allocate(rows * width);
      this.#allocated.push(array);
      return array;
    };
    return {
      rows,
      sparse: Object.fromEntries(
        this.model.sparseInputs.map(({ segment, dim }) =>
          [segment, allocate(slots * dim)] as const
        ),
      ),
      ...(this.model.sequenceInputs.length > 0 && {
        sequences: Object.fromEntries(
          this.model.sequenceInputs.map(({ name, lengthMax, dim }) =>
            [name, { entries: allocate(lengthMax * dim), present: allocate(lengthMax) }] as const
          ),
        ),
      }),
      dense: allocate(denseWidth),
      labels: allocate(tasks),
      logSampleRate: allocate(1),
    };
  }

  async weights(): Promise<DenseWeights> {
    const vectors = await this.#backend.readState();
    return unpackWeights(vectors[TRAINING_NAMES.weights], this.#compiled.layout, this.#steps);
  }

  async load(weights: DenseWeights): Promise<void> {
    const vectors = await this.#backend.readState();
    vectors[TRAINING_NAMES.weights] = packWeights(weights, this.#compiled.layout);
    await this.#backend.writeState(vectors);
    this.#steps = weights.version;
  }

  async checkpoint(): Promise<TrainingCheckpoint> {
    return {
      step: this.#steps,
      recentLoss: this.#lossWatch.recent,
      vectors: await this.#backend.readState(),
      layout: this.#layout(),
    };
  }

  async restore(checkpoint: TrainingCheckpoint): Promise<void> {
    const expected = JSON.stringify([this.#layout(), Object.keys(this.#compiled.state)]);
    const found = JSON.stringify([checkpoint.layout, Object.keys(checkpoint.vectors)]);
    if (expected !== found) {
      throw new CheckpointError(
        `Cannot restore the dense model: the checkpoint holds ${found} and this model needs ${expected}; start from the configuration that wrote it.`,
      );
    }
    await this.#backend.writeState(checkpoint.vectors);
    this.#lossWatch.recent = checkpoint.recentLoss;
    this.#steps = checkpoint.step;
  }

  async close(): Promise<void> {
    for (const array of this.#allocated) this.#memory.free(array);
    await this.#backend.close();
  }

  #layout() {
    return this.#compiled.layout.slots.map(({ name, shape }) => ({ name, shape }));
  }

  #feeds(batch: TrainingBatch, t: number, learningRate: number) {
    const { optimizer, graph, dropoutMasks } = this.#compiled;
    const rule = optimizerRule(optimizer.kind);
    const feeds: Record<string, Float32Array<ArrayBuffer>> = {
      ...batch.sparse,
      ...sequenceFeeds(batch.sequences),
      [TRAINING_NAMES.dense]: batch.dense,
      [TRAINING_NAMES.labels]: batch.labels,
      [TRAINING_NAMES.logSampleRate]: batch.logSampleRate,
      [TRAINING_NAMES.inverseRows]: Float32Array.of(1 / batch.rows),
    };
    for (const [name, value] of Object.entries(rule.scalars(optimizer, learningRate, t))) {
      feeds[name] = Float32Array.of(value);
    }
    for (const [index, { name, width, rate }] of dropoutMasks.entries()) {
      if (this.#masks[name]?.length !== batch.rows * width) {
        this.#masks[name] = new Float32Array(batch.rows * width);
      }
      fillDropoutMask(this.#masks[name], rate, [this.#options.seed, t, index]);
      feeds[name] = this.#masks[name];
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
