/**
 * The score that orders a ranking: what the model predicts of each task, weighted and summed. A model that knows whether
 * somebody clicks and how long she stays leaves it to whoever runs it what one is worth beside the other.
 *
 * @see Zhao et al., "Recommending What Video to Watch Next: A Multitask Ranking System", RecSys 2019, section 4.1
 */
import { prediction } from "../../kernels/dense/inference_session.ts";
import type { TaskOptions } from "../../kernels/dense/models/options.ts";

export class CombinedScore {
  readonly #tasks: readonly TaskOptions[];
  readonly #weights: readonly number[];
  /** Of the tasks that count. */
  readonly #counted: readonly number[];

  /** @param weights Shape `[tasks]`, one of them not 0; of a single task 1. */
  constructor(tasks: readonly TaskOptions[], weights: readonly number[]) {
    this.#tasks = tasks;
    this.#weights = weights;
    this.#counted = [...tasks.keys()].filter((task) => weights[task] !== 0);
  }

  /** The score is the prediction of the only task. */
  get isPrediction(): boolean {
    return this.#tasks.length === 1;
  }

  /** @param predictions `[rows, tasks]` */
  of(predictions: Float32Array, row: number): number {
    const first = row * this.#tasks.length;
    let score = 0;
    for (const task of this.#counted) score += this.#weights[task] * predictions[first + task];
    return score;
  }

  /**
   * What an explanation takes apart: the score; of a single task its logit, which does not saturate.
   *
   * @param outputs Raw ones of the model, `[rows, tasks]`
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
