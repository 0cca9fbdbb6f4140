/**
 * The score that orders a ranking: the weighted sum of the tasks' predictions. The operator sets
 * the weights (e.g. clicks against watch time); the model does not learn them.
 *
 * @see Zhao et al., "Recommending What Video to Watch Next: A Multitask Ranking System", RecSys
 * 2019, section 4.1
 */
import { prediction } from "../../kernels/dense/inference_session.ts";
import type { TaskOptions } from "../../kernels/dense/models/options.ts";

export class CombinedScore {
  readonly #tasks: readonly TaskOptions[];
  readonly #weights: readonly number[];
  /** Tasks whose weight is not 0. */
  readonly #counted: readonly number[];

  /** @param weights `[tasks]`, at least one of them not 0; `[1]` for a single task. */
  constructor(tasks: readonly TaskOptions[], weights: readonly number[]) {
    this.#tasks = tasks;
    this.#weights = weights;
    this.#counted = [...tasks.keys()].filter((task) => weights[task] !== 0);
  }

  /** Whether the score is the prediction of the only task. */
  get isPrediction(): boolean {
    return this.#tasks.length === 1;
  }

  /** The score of a row. @param predictions `[rows, tasks]` */
  of(predictions: Float32Array, row: number): number {
    const first = row * this.#tasks.length;
    let score = 0;
    for (const task of this.#counted) score += this.#weights[task] * predictions[first + task];
    return score;
  }

  /**
   * The value that an explanation decomposes: the score, or for a single task its logit, which does
   * not saturate.
   *
   * @param outputs The model's raw outputs, `[rows, tasks]`.
   */
  explained(outputs: ArrayLike<number>, row: number): number {
    const first = row * this.#tasks.length;
    const single = this.#counted.length === 1;
    let sum = 0;
    for (const task of this.#counted) {
      const output = outputs[first + task];
      sum += this.#weights[task] * (single ? output : prediction(this.#tasks[task], output));
    }
    return sum;
  }
}
