/**
 * A training session whose steps several threads can share. One of them, the leader, has the state;
 * the others run parts of the batch with copies of its weights. Which thread runs a part does not
 * change a bit of the result: gradients and losses are summed in the order of the parts.
 */
import { DivergenceError } from "../divergence.ts";
import type { TrainingBatch } from "../training_batch.ts";
import { type TrainingGraph, trainingNames } from "../training_graph.ts";
import type { TrainingSession, TrainingSessionOptions } from "../training_session.ts";
import { CompiledTrainingSession } from "./compiled_training_session.ts";
import { resultArrays } from "./step_feeds.ts";
import type { PartsBackend } from "./training_backend.ts";

type Floats = Float32Array<ArrayBuffer>;

/** A part's share of the results of a step. */
export interface PartOutcome {
  /** Sum of the losses of the part's rows, divided by the rows of the batch. */
  readonly loss: number;
  /** Gradient of that loss, in the layout of the weights. */
  readonly gradient: Floats;
}

/** The parts of a step, all of which have run. */
export interface StepParts {
  /** By part. The gradients are those of {@link PartsSession.gradientsOfParts}. */
  readonly losses: readonly number[];
  /** Rows of the batch. */
  readonly rows: number;
  /** Mean weight of the batch's examples; see `meanCount` in losses.ts. */
  readonly meanCount: number;
}

/** See {@link PartsTrainingSession}. */
export interface PartsSession extends TrainingSession {
  /** Number of the next step, from 1. */
  readonly nextStep: number;
  /** The matrix of weights of the next step, until it ends. */
  readonly weightMatrix: Floats;
  /** Takes an array, not a copy of it, as the weights for {@link runPart}. */
  useWeights(weights: Floats): void;
  /** Arrays for the gradients of a step of so many parts, in their order. */
  gradientsOfParts(parts: number): readonly Floats[];
  /**
   * Runs a part of a batch and writes its results.
   *
   * @param batch With `share`.
   * @param step Number of the step, from 1.
   * @param gradient Receives the gradient of the weights.
   */
  runPart(batch: TrainingBatch, step: number, gradient: Floats): Promise<PartOutcome>;
  /**
   * Ends the step whose gradients are in {@link gradientsOfParts}, with the present scale of the
   * learning rate.
   *
   * @returns The loss of the batch.
   * @throws {DivergenceError} As `step` does, without a description of the batch.
   */
  endStep(parts: StepParts): Promise<number>;
}

export class PartsTrainingSession extends CompiledTrainingSession implements PartsSession {
  readonly #backend: PartsBackend;

  constructor(compiled: TrainingGraph, backend: PartsBackend, options: TrainingSessionOptions) {
    super(compiled, backend, options);
    this.#backend = backend;
  }

  get weightMatrix(): Floats {
    return this.#backend.weights;
  }

  useWeights(weights: Floats): void {
    this.#backend.useWeights(weights);
  }

  gradientsOfParts(parts: number): readonly Floats[] {
    return this.#backend.gradientsOfParts(parts);
  }

  async runPart(batch: TrainingBatch, step: number, gradient: Floats): Promise<PartOutcome> {
    const feeds = this.feeds.of(batch, step);
    const results = await this.#backend.runPart(batch.rows, feeds, resultArrays(batch), gradient);
    return { loss: results[trainingNames.loss][0], gradient };
  }

  async endStep({ losses, rows, meanCount }: StepParts): Promise<number> {
    const scale = this.learningRateScale;
    const results = await this.#backend.endStep(losses.length, this.scalars(scale));
    const loss = losses.reduce((sum, next) => sum + next, 0);
    const divergence = this.endsWith(loss, { results, scale, counts: () => meanCount });
    if (divergence !== undefined) throw new DivergenceError(divergence, `${rows} rows`);
    return loss;
  }
}
