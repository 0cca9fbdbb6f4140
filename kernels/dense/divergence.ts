/**
 * Telling when training has gone wrong, before the wrong weights reach anyone.
 */
import type { TaskOptions } from "./models/options.ts";

export interface DivergenceOptions {
  /**
   * A loss above this many times the mean of recent ones (at first an untrained model's, unless a task predicts values) is an
   * explosion; of squared errors, errors this many times as large, since one of a heavy tail is rare but no mistake.
   * Default 1000; Infinity = never.
   */
  readonly explosionFactor?: number;
}

/** What is known about a step that was refused. */
export interface Divergence {
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly reason: string;
}

const REMEDY = "Lower the learning rate, clip gradients, or look at the batch.";

/** Training stopped at a batch; the weights of the step before it are kept. */
export class DivergenceError extends Error {
  override readonly name = "DivergenceError";
  readonly divergence: Divergence;

  /**
   * @param batch In words.
   * @param remedy What to do about it.
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
 * The first loss is compared with no smaller factor: an untrained model's, as taken here, leaves out that the odds of
 * sampled examples are moved by their rate.
 */
const DEFAULT_FACTOR = 1000;
/** Share of the newest loss in the mean of recent ones. */
const NEWEST_SHARE = 0.02;
/**
 * Mean losses below this, where the weights of the tasks sum to 1, count as this. A model that predicts its stream almost
 * perfectly is surprised by the first change in it, with a loss of 1 to 10 where it was 0.0001: that is news, not an
 * explosion.
 */
const LOSS_FLOOR = 0.1;

/** Remembers how large losses have been of late. */
export class LossWatch {
  readonly #factor: number;
  /**
   * What stands for the mean before there is one: an untrained model's cross entropy, of all tasks together as all losses
   * are. Infinity where a task predicts values: of those, the labels of one batch do not tell how large a right guess may
   * be, for all of them may be 0, and a model that begins with another's weights predicts what that one learned.
   */
  readonly #untrained: number;
  readonly #floor: number;
  /** NaN before the first loss. */
  recent = NaN;

  constructor(
    { explosionFactor = DEFAULT_FACTOR }: DivergenceOptions = {},
    tasks: readonly Pick<TaskOptions, "loss" | "weight">[] = [{ loss: "binaryCrossEntropy" }],
  ) {
    const weights = tasks.reduce((sum, { weight = 1 }) => sum + weight, 0);
    const squares = tasks.some(({ loss }) => loss === "squaredError");
    this.#factor = squares ? explosionFactor ** 2 : explosionFactor;
    this.#untrained = squares ? Infinity : weights * Math.LN2;
    this.#floor = weights * LOSS_FLOOR;
  }

  /**
   * Why this loss must not be learned from, or undefined.
   *
   * @param meanCount What an example counts on average, asked for the first loss alone.
   */
  refuse(loss: number, meanCount: () => number = () => 1): string | undefined {
    if (!Number.isFinite(loss)) return "the loss is not finite";
    const first = Number.isNaN(this.recent);
    const [mean, factor] = first
      ? [this.#untrained * meanCount(), Math.max(this.#factor, DEFAULT_FACTOR)]
      : [this.recent, this.#factor];
    if (loss <= factor * Math.max(mean, this.#floor)) return undefined;
    const whose = first ? "an untrained model's" : "its recent mean";
    return `the loss is over ${factor} times ${whose} ${mean}`;
  }

  accept(loss: number): void {
    this.recent = Number.isNaN(this.recent)
      ? loss
      : this.recent + NEWEST_SHARE * (loss - this.recent);
  }
}

/** The arrays of a batch that a step reads. */
interface BatchInputs {
  readonly rows: number;
  readonly sparse: Readonly<Record<string, Float32Array>>;
  readonly dense: Float32Array;
  readonly labels: Float32Array;
  readonly logSampleRate: Float32Array;
}

/** The error of a batch that was refused, with what is known of its numbers. */
export function divergedAt(divergence: Divergence, batch: BatchInputs): DivergenceError {
  const largest = batch.labels.reduce((most, label) => Math.max(most, Math.abs(label)), 0);
  return new DivergenceError(
    divergence,
    describeBatch(batch),
    // The square of one label is more than the mean over the batch: the model need not have gone wrong.
    largest > 1 && largest ** 2 >= Math.min(divergence.loss, FLOAT32_MAX)
      ? `The label ${
        largest.toPrecision(4)
      } alone makes such a loss: if it is a mistake, bound the rule that takes it ` +
        "as the label (valueBelow in joiner.tasks); if it is not, predict a smaller unit of it or raise " +
        "trainer.explosionFactor."
      : REMEDY,
  );
}

/** A squared error beyond this is Infinity. */
const FLOAT32_MAX = 3.4028234663852886e38;

/** A batch in words: its size, what in it is not finite, and how large its inputs are. */
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
