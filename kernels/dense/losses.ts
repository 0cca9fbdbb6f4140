/**
 * The loss: the mean over examples of the weighted sum of the tasks' losses.
 */
import type { Graph } from "./graph/graph.ts";
import type { Value } from "./graph/value.ts";
import type { Task, TaskOptions } from "./models/options.ts";

export interface LossInputs {
  /** Shape `[rows, tasks]`. */
  readonly logits: Value;
  /**
   * Shape `[rows, tasks]`. With several tasks, -1 for a task that the example says nothing about; a
   * task of values has a label in every example.
   */
  readonly labels: Value;
  /**
   * ln(sample rate), 0 for examples that were not sampled; {@link correctsLogOdds} tells its use.
   * Shape `[rows, 1]`.
   */
  readonly logSampleRate: Value;
  /** 1 / rows. Shape `[1, 1]`. */
  readonly inverseRows: Value;
  /** Number of each row's list, whole. Shape `[rows, 1]`; absent = no list loss. */
  readonly lists?: Value | undefined;
}

/** Beyond all logits of a sound model; finite as float32, since 0 · ∞ is not a number. */
const BEYOND_LOGITS = 1e30;

type LossRule = (g: Graph, output: Value, label: Value) => Value;

const lossRules: { readonly [Loss in TaskOptions["loss"]]: LossRule } = {
  binaryCrossEntropy: (g, logit, label) => g.sigmoidCrossEntropy(logit, label),
  squaredError: (g, value, label) => g.square(g.subtract(value, label)),
};

/** Cross-entropy where the label is known, else 0. */
const knownLabels: LossRule = (g, logit, label) =>
  g.passPositive(g.shift(label, 0.5), g.sigmoidCrossEntropy(logit, label));

/**
 * Whether the loss corrects for sampled negatives by the log-odds; otherwise it corrects by
 * weights.
 *
 * Log-odds, for one binary task: when negatives are sampled at rate r, the odds of a positive are
 * 1/r times too high. The loss of every example, positives included, uses `logit - ln r`, so the
 * logit itself stays calibrated.
 *
 * Weights, for several tasks or a value: only examples that are negative in all tasks are sampled,
 * so the bias of one task's odds depends on the other tasks. A sampled example is weighted by 1 /
 * r, every other example by 1.
 *
 * @returns True: every example carries ln r. False: sampled examples carry ln r, all others 0.
 * @see King and Zeng, "Logistic Regression in Rare Events Data", 2001, sections 4.1 (prior
 *   correction), 4.2 (weighting)
 */
export function correctsLogOdds(tasks: readonly Pick<TaskOptions, "loss">[]): boolean {
  return tasks.length === 1 && tasks[0].loss === "binaryCrossEntropy";
}

/**
 * Mean weight of a batch's examples in its loss: the mean of 1 / sample rate, or 1 with the
 * log-odds correction.
 *
 * @param logSampleRate Shape `[rows]`.
 */
export function meanCount(
  tasks: readonly Pick<TaskOptions, "loss">[],
  logSampleRate: Float32Array,
): number {
  if (correctsLogOdds(tasks)) return 1;
  return logSampleRate.reduce((sum, log) => sum + Math.exp(-log), 0) / logSampleRate.length;
}

/** The mean loss of a batch. Shape `[1, 1]`. */
export function batchLoss(
  g: Graph,
  inputs: LossInputs,
  tasks: readonly Task[],
): Value {
  const { labels, logSampleRate, inverseRows } = inputs;
  const byLogOdds = correctsLogOdds(tasks);
  const logits = byLogOdds ? g.subtract(inputs.logits, logSampleRate) : inputs.logits;
  const [{ loss, weight }] = tasks;
  const ruleOf = tasks.length === 1
    ? (loss: TaskOptions["loss"]) => lossRules[loss]
    : (loss: TaskOptions["loss"]) => loss === "binaryCrossEntropy" ? knownLabels : lossRules[loss];
  const alike = tasks.every((task) => task.loss === loss && task.weight === weight);
  const perTask = alike
    ? [g.scale(ruleOf(loss)(g, logits, labels), weight)]
    : tasks.map((task, index) => {
      const logit = g.slice(logits, 1, index, index + 1);
      const label = g.slice(labels, 1, index, index + 1);
      return g.scale(ruleOf(task.loss)(g, logit, label), task.weight);
    });
  const total = perTask.reduce((sum, next) => g.add(sum, next));
  const counted = byLogOdds ? total : g.multiply(total, g.exp(g.scale(logSampleRate, -1)));
  const pointwise = g.reduceSum(g.multiply(counted, inverseRows), [0, 1]);
  const { lists } = inputs;
  if (lists === undefined) return pointwise;
  // 1 where two rows are of one list, else 0. Shape `[rows, rows]`.
  const matrix = isZero(g, g.square(g.subtract(lists, g.transposeLast(lists))));
  return tasks.reduce((sum, { listWeight = 0 }, index) => {
    if (listWeight === 0) return sum;
    const column = (value: Value) => g.slice(value, 1, index, index + 1);
    const ofTask = listLoss(g, column(inputs.logits), column(labels), matrix);
    const mean = g.reduceSum(g.multiply(ofTask, inverseRows), [0, 1]);
    return g.add(sum, g.scale(mean, listWeight));
  }, pointwise);
}

/** Whether a task compares the rows of a list. */
export function comparesLists(tasks: readonly Pick<TaskOptions, "listWeight">[]): boolean {
  return tasks.some(({ listWeight = 0 }) => listWeight > 0);
}

/** 1 where a whole number that is not negative is 0, else 0. */
function isZero(g: Graph, count: Value): Value {
  return g.shift(g.scale(g.minimum(count, g.constant(1)), -1), 1);
}

/**
 * Softmax cross-entropy of the rows of a list: `-Σ y/Σy · ln(e^s / Σ e^s)`, which is ListNet's loss
 * of the top position where labels are 0 and 1. Only rows with a label are in a list. A list counts
 * as often as it has rows, so that its weight against the pointwise loss does not depend on the
 * length of lists; a list without a positive row has no loss. Shape `[rows, 1]`.
 *
 * @see Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007
 * @see Bruch et al., "An Analysis of the Softmax Cross Entropy Loss for Learning-to-Rank with
 *   Binary Relevance", ICTIR 2019
 */
function listLoss(g: Graph, logit: Value, label: Value, matrix: Value): Value {
  const one = g.constant(1);
  const positive = g.relu(label);
  // 0 for the label -1 of an example that says nothing about the task.
  const known = g.minimum(g.relu(g.shift(label, 1)), one);
  const positives = g.matMul(matrix, positive);
  const length = g.matMul(matrix, known);
  // A list without positives is divided by 1: its shares are 0 all the same.
  const share = g.multiply(g.divide(positive, g.add(positives, isZero(g, positives))), length);
  // Each logit less the greatest of its list, so that no exponential exceeds 1.
  const reach = g.shift(g.scale(matrix, 2 * BEYOND_LOGITS), -BEYOND_LOGITS);
  const compared = g.add(g.multiply(logit, known), g.scale(g.shift(known, -1), BEYOND_LOGITS));
  const greatest = g.lastAxisMax(g.minimum(g.transposeLast(compared), reach));
  const relative = g.multiply(g.subtract(logit, greatest), known);
  const sum = g.matMul(matrix, g.multiply(g.exp(relative), known));
  const logSum = g.log(g.add(sum, isZero(g, length)));
  return g.multiply(share, g.subtract(logSum, relative));
}
