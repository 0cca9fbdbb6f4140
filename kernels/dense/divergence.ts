/**
 * Detects diverging training before a step's weights replace the last ones.
 */
import type { TaskOptions } from "./models/options.ts";

export interface DivergenceOptions {
  /**
   * A loss above this many times the mean of recent losses is an explosion. With squared errors the
   * factor applies to the error, so the loss may grow by its square, because heavy-tailed labels
   * are legitimate. Before the first step the mean is the loss of an untrained model, unless a task
   * predicts values. Default 1000; Infinity = never.
   */
  readonly explosionFactor?: number;
}

/** A refused step. */
export interface Divergence {
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly reason: string;
}

const REMEDY = "Lower the learning rate, clip gradients, or look at the batch.";

/** A step refused its batch; weights and optimizer state are those of the step before. */
export class DivergenceError extends Error {
  override readonly name = "DivergenceError";
  readonly divergence: Divergence;

  /**
   * @param batch Description of the batch.
   * @param remedy Advice for the operator, as sentences.
   */
  constructor(divergence: Divergence, batch: string, remedy = REMEDY) {
    const { step, reason, loss, learningRate } = divergence;
    super(
      `Training diverged at step ${step}: ${reason} (loss ${loss}, learning rate ${learningRate}) on a batch of ${batch}. The weights of step ${
        step - 1
      } are kept. ${remedy}`,
    );
    this.divergence = divergence;
  }
}

/**
 * Default of `explosionFactor`, and the smallest factor for the first loss. The reference for the
 * first loss is an untrained model's, which ignores the correction for sampled negatives, so a
 * smaller factor could refuse a sound batch.
 */
const DEFAULT_FACTOR = 1000;
/** Share of the newest loss in the mean of recent losses. */
const NEWEST_SHARE = 0.02;
/**
 * Smallest mean loss that losses are compared with, for tasks whose weights sum to 1. When a model
 * predicts its stream almost perfectly, the first change in the stream raises the loss from 0.0001
 * to between 1 and 10; that is not an explosion.
 */
const LOSS_FLOOR = 0.1;

/** Compares each loss with the mean of recent losses, and with the loss that labels can explain. */
export class LossWatch {
  readonly #factor: number;
  /**
   * Reference for the first loss: an untrained model's cross entropy, summed over tasks. Infinity
   * when a task predicts values without bounds, because the labels of one batch do not bound a
   * sound loss: they may all be 0 while a model that started from saved weights predicts large
   * values.
   */
  readonly #untrained: number;
  readonly #floor: number;
  /**
   * A loss up to this is never an explosion, since labels within their bounds can cause it: values
   * in a small unit (seconds, cents) after a batch whose labels are all 0. 0 = no task has bounds.
   */
  readonly #explained: number;
  /** Mean of recent losses; NaN before the first loss. */
  recent = NaN;

  constructor(
    { explosionFactor = DEFAULT_FACTOR }: DivergenceOptions = {},
    tasks: readonly TaskOptions[] = [{ loss: "binaryCrossEntropy" }],
  ) {
    const sum = (of: (task: TaskOptions) => number) =>
      tasks.reduce((total, task) => total + (task.weight ?? 1) * of(task), 0);
    const squares = tasks.filter(({ loss }) => loss === "squaredError");
    const unbounded = squares.some(({ labelMax }) => labelMax === undefined);
    this.#factor = squares.length > 0 ? explosionFactor ** 2 : explosionFactor;
    this.#untrained = unbounded
      ? Infinity
      : sum(({ loss }) => loss === "squaredError" ? 0 : Math.LN2);
    this.#floor = sum(() => LOSS_FLOOR);
    const labels = sum(({ labelMax = 0 }) => labelMax ** 2);
    this.#explained = labels === 0 ? 0 : explosionFactor * labels; // Infinity · 0 is not a number
  }

  /**
   * The reason to refuse a step with this loss; undefined = none.
   *
   * @param meanCount Gives the mean weight of the batch's examples; called for the first loss only.
   */
  refuse(loss: number, meanCount: () => number = () => 1): string | undefined {
    if (!Number.isFinite(loss)) return "the loss is not finite";
    const first = Number.isNaN(this.recent);
    const count = first ? meanCount() : 1;
    const mean = first ? this.#untrained * count : this.recent;
    const factor = first ? Math.max(this.#factor, DEFAULT_FACTOR) : this.#factor;
    const explosion = factor * Math.max(mean, this.#floor);
    const explained = this.#explained * count;
    if (loss <= Math.max(explosion, explained)) return undefined;
    if (explained > explosion) {
      return `the loss is over ${explained}, more than labels within their bounds explain`;
    }
    return `the loss is over ${factor} times ${
      first ? "an untrained model's" : "its recent mean"
    } ${mean}`;
  }

  accept(loss: number): void {
    this.recent = Number.isNaN(this.recent)
      ? loss
      : this.recent + NEWEST_SHARE * (loss - this.recent);
  }
}

/** A batch's input arrays. */
interface BatchInputs {
  readonly rows: number;
  readonly sparse: Readonly<Record<string, Float32Array>>;
  readonly dense: Float32Array;
  readonly labels: Float32Array;
  readonly logSampleRate: Float32Array;
}

/** The error for a refused batch, with a summary of its numbers. */
export function divergedAt(divergence: Divergence, batch: BatchInputs): DivergenceError {
  const largest = batch.labels.reduce((most, label) => Math.max(most, Math.abs(label)), 0);
  return new DivergenceError(
    divergence,
    describeBatch(batch),
    // The square of one label exceeds the batch's mean loss, so that label explains the explosion.
    largest > 1 && largest ** 2 >= Math.min(divergence.loss, FLOAT32_MAX)
      ? `The label ${
        largest.toPrecision(4)
      } alone causes this loss. If it is a mistake, bound the label rule (valueMax in joiner.tasks); ` +
        "if it is not, declare its bounds there, use a larger unit, or raise trainer.explosionFactor."
      : REMEDY,
  );
}

/** Largest float32; the loss of a larger squared error is Infinity. */
const FLOAT32_MAX = 3.4028234663852886e38;

/**
 * Describes a batch: its rows, and per array the mean, the largest magnitude and the count of
 * non-finite values.
 */
function describeBatch(batch: BatchInputs): string {
  const arrays = Object.entries({
    ...batch.sparse,
    dense: batch.dense,
    labels: batch.labels,
    logSampleRate: batch.logSampleRate,
  });
  const parts = arrays.filter(([, values]) => values.length > 0).map(([name, values]) => {
    let largest = 0, sum = 0, broken = 0;
    for (const value of values) {
      if (!Number.isFinite(value)) broken++;
      else {
        largest = Math.max(largest, Math.abs(value));
        sum += value;
      }
    }
    const mean = (sum / Math.max(1, values.length - broken)).toPrecision(4);
    return `${name} mean ${mean}, largest ${largest.toPrecision(4)}, ${broken} not finite`;
  });
  return `${batch.rows} rows (${parts.join("; ")})`;
}
