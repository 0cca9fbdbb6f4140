/**
 * Scores of a model's tasks beside what came of them, and how good they are: each task by its own measure.
 */
import type { TaskOptions } from "../../kernels/dense/models/options.ts";
import type { LabelledBatch } from "../datasets/example_table.ts";
import { Samples } from "./samples.ts";
import { exactAuc, logloss } from "./auc.ts";

/** One column of labels. */
export interface Task {
  readonly name: string;
  readonly loss: TaskOptions["loss"];
}

/** How well a task was predicted. */
export interface Quality {
  readonly task: string;
  readonly examples: number;
  /** The greater the better: the AUC, or of a predicted value the mean squared error less than 0. */
  readonly goodness: number;
  /** NaN where a class is missing, or a value is predicted. */
  readonly auc: number;
  /** NaN where a value is predicted. */
  readonly logloss: number;
  /** NaN where a probability is predicted. */
  readonly meanSquaredError: number;
}

export class TaskScores {
  readonly #tasks: readonly Task[];
  readonly #scores: readonly Samples[];
  readonly #labels: readonly Samples[];

  constructor(tasks: readonly Task[]) {
    this.#tasks = tasks;
    this.#scores = tasks.map(() => new Samples());
    this.#labels = tasks.map(() => new Samples());
  }

  /** @param scores Probabilities, or predicted values, shape `[rows, tasks]`. */
  add({ features, labels }: LabelledBatch, scores: Float64Array): void {
    const tasks = this.#tasks.length;
    for (let i = 0; i < features.rows * tasks; i++) {
      this.#scores[i % tasks].add(scores[i]);
      this.#labels[i % tasks].add(labels[i]);
    }
  }

  /** Scores and labels of a task, by its number, from the `from`-th example on. */
  of(task: number, from = 0): readonly [Float64Array<ArrayBuffer>, Float64Array<ArrayBuffer>] {
    return [this.#scores[task].values(from), this.#labels[task].values(from)];
  }

  /** Of each task, from the `from`-th example on. */
  qualities(from = 0): readonly Quality[] {
    return this.#tasks.map(({ name, loss }, task) => {
      const [scores, labels] = this.of(task, from);
      const common = { task: name, examples: scores.length };
      if (loss === "squaredError") {
        const squares = scores.reduce((sum, score, i) => sum + (score - labels[i]) ** 2, 0);
        const meanSquaredError = squares / scores.length;
        return { ...common, goodness: -meanSquaredError, auc: NaN, logloss: NaN, meanSquaredError };
      }
      const auc = exactAuc(scores, labels);
      return {
        ...common,
        goodness: auc,
        auc,
        logloss: logloss(scores, labels),
        meanSquaredError: NaN,
      };
    });
  }
}
