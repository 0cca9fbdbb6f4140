/**
 * The arrays that a training graph reads and writes, by the names of its inputs and outputs.
 */
import { fillDropoutMask } from "../dropout.ts";
import { resolveShape, staticSize } from "../graph/shape.ts";
import { historyFeeds } from "../history_arrays.ts";
import type { DenseOptimizerOptions } from "../optimizers/options.ts";
import { optimizerRule } from "../optimizers/rules.ts";
import type { TrainingBatch } from "../training_batch.ts";
import { type TrainingGraph, trainingNames } from "../training_graph.ts";
import type { HostArrays } from "./training_backend.ts";

type NamedArrays = Record<string, Float32Array<ArrayBuffer>>;

/** Makes the inputs that depend on the batch; keeps the arrays of dropout masks for the next. */
export class BatchFeeds {
  readonly #compiled: TrainingGraph;
  readonly #seed: number;
  readonly #masks: NamedArrays = {};

  constructor(compiled: TrainingGraph, seed: number) {
    this.#compiled = compiled;
    this.#seed = seed;
  }

  /**
   * @param step Number of the step, from 1.
   * @throws {RangeError} When an array does not have the size of its input.
   */
  of(batch: TrainingBatch, step: number): HostArrays {
    const { rows } = batch;
    const { rowsInAll, firstRow } = batch.share ?? { rowsInAll: rows, firstRow: 0 };
    const feeds: NamedArrays = {
      ...batch.sparse,
      ...historyFeeds(batch.histories),
      [trainingNames.dense]: batch.dense,
      [trainingNames.labels]: batch.labels,
      [trainingNames.logSampleRate]: batch.logSampleRate,
      [trainingNames.inverseRows]: Float32Array.of(1 / rowsInAll),
    };
    for (const [index, { name, width, rate }] of this.#compiled.dropoutMasks.entries()) {
      if (this.#masks[name]?.length !== rows * width) {
        this.#masks[name] = new Float32Array(rows * width);
      }
      fillDropoutMask(this.#masks[name], rate, [this.#seed, step, index], firstRow * width);
      feeds[name] = this.#masks[name];
    }
    if (batch.lists !== undefined) feeds[trainingNames.lists] = batch.lists;
    this.#requireSizes(rows, feeds);
    return feeds;
  }

  #requireSizes(rows: number, feeds: HostArrays): void {
    const { graph, state, optimizer } = this.#compiled;
    const scalars = optimizerScalars(optimizer, 0, 1);
    for (const { name, shape } of graph.inputs) {
      if (name in state || name in scalars) continue;
      const size = staticSize(resolveShape(shape, { rows }));
      if (feeds[name]?.length === size) continue;
      throw new RangeError(
        `Cannot train on ${rows} rows: "${name}" has ${
          feeds[name]?.length
        } values and shape [${shape}] needs ${size}.`,
      );
    }
  }
}

/** The inputs of the optimizer's rule for step `step`, the first of which is 1. */
export function optimizerScalars(
  optimizer: DenseOptimizerOptions,
  learningRate: number,
  step: number,
): HostArrays {
  const scalars = optimizerRule(optimizer.kind).scalars(optimizer, learningRate, step);
  return Object.fromEntries(
    Object.entries(scalars).map(([name, value]) => [name, Float32Array.of(value)] as const),
  );
}

/** The batch's arrays for results, by the names of outputs; none where it has none. */
export function resultArrays({ results }: TrainingBatch): HostArrays {
  if (results === undefined) return {};
  const { logits, gradientOf } = trainingNames;
  const gradients = Object.entries(results.gradients).map(([name, array]) =>
    [gradientOf(name), array] as const
  );
  return { [logits]: results.logits, ...Object.fromEntries(gradients) };
}
