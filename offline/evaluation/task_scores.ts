/**
 * Scores and labels of a model's tasks, and each task's quality: AUC and logloss, or squared error.
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
  /** Mean label, which is the share of positives where a probability is predicted. */
  readonly labelMean: number;
  /** Greater is better: the AUC, or the negated mean squared error of a predicted value. */
  readonly goodness: number;
  /** NaN where a class is missing, or a value is predicted. */
  readonly auc: number;
  /** NaN where a value is predicted. */
  readonly logloss: number;
  /** NaN where a probability is predicted. */
  readonly meanSquaredError: number;
  /** Mean prediction divided by the mean label; NaN where the labels add up to 0. */
  readonly calibration: number;
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

  /** Scores and labels of task number `task`, from index `from` on. */
  of(task: number, from = 0): readonly [Float64Array<ArrayBuffer>, Float64Array<ArrayBuffer>] {
    return [this.#scores[task].values(from), this.#labels[task].values(from)];
  }

  /** The quality of each task, from index `from` on. */
  qualities(from = 0): readonly Quality[] {
    return this.#tasks.map(({ name, loss }, task) => {
      const [scores, labels] = this.of(task, from);
      const [predicted, labelled] = [sumOf(scores), sumOf(labels)];
      const common = {
        task: name,
        examples: scores.length,
        labelMean: labelled / scores.length,
        calibration: labelled === 0 ? NaN : predicted / labelled,
      };
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

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
