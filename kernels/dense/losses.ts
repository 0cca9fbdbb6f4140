/**
 * What training minimises: the mean over examples of the weighted sum of each task's loss.
 */
import type { Graph } from "./graph/graph.ts";
import type { Value } from "./graph/value.ts";
import type { TaskOptions } from "./models/options.ts";

export interface LossInputs {
  /** Shape `[rows, tasks]`. */
  readonly logits: Value;
  /** Shape `[rows, tasks]`. */
  readonly labels: Value;
  /** ln(sample rate), 0 where nothing was sampled; see {@link correctsLogOdds} for what it means. Shape `[rows, 1]`. */
  readonly logSampleRate: Value;
  /** 1 / rows. Shape `[1]`. */
  readonly inverseRows: Value;
}

type LossRule = (g: Graph, output: Value, label: Value) => Value;

const LOSSES: { readonly [Loss in TaskOptions["loss"]]: LossRule } = {
  binaryCrossEntropy: (g, logit, label) => g.sigmoidCrossEntropy(logit, label),
  squaredError: (g, value, label) => g.square(g.subtract(value, label)),
};

/**
 * How training makes up for negatives that were left out, by what the model predicts.
 *
 * One label: among negatives kept at rate r the odds of a positive are 1/r times too high. The loss of every example,
 * positives too, sees `logit - ln r`, and the logit itself stays calibrated.
 *
 * Several tasks, or a value: only examples that are negative in all of them are sampled, so how much too high the odds
 * of one task are depends on the others. Each example then counts 1 / its own rate: 1 / r where it was sampled, else 1.
 *
 * @returns Whether the first holds, and every example bears ln r; else each bears its own.
 * @see King and Zeng, "Logistic Regression in Rare Events Data", 2001, sections 4.1 (prior correction), 4.2 (weighting)
 */
export function correctsLogOdds(tasks: readonly Pick<TaskOptions, "loss">[]): boolean {
  return tasks.length === 1 && tasks[0].loss === "binaryCrossEntropy";
}

/**
 * Mean of what a batch's examples count in its loss: 1 / their sample rates, or 1 where the rates move the log-odds.
 *
 * @param logSampleRate Of all examples; shape `[rows]`.
 */
export function meanCount(
  tasks: readonly Pick<TaskOptions, "loss">[],
  logSampleRate: Float32Array,
): number {
  if (correctsLogOdds(tasks)) return 1;
  return logSampleRate.reduce((sum, log) => sum + Math.exp(-log), 0) / logSampleRate.length;
}

/** The mean loss of a batch, shape `[1, 1]`. */
export function batchLoss(
  g: Graph,
  inputs: LossInputs,
  tasks: readonly Required<TaskOptions>[],
): Value {
  const { labels, logSampleRate, inverseRows } = inputs;
  const byLogOdds = correctsLogOdds(tasks);
  const logits = byLogOdds ? g.subtract(inputs.logits, logSampleRate) : inputs.logits;
  const [{ loss, weight }] = tasks;
  const alike = tasks.every((task) => task.loss === loss && task.weight === weight);
  const perTask = alike
    ? [g.scale(LOSSES[loss](g, logits, labels), weight)]
    : tasks.map((task, index) => {
      const logit = g.slice(logits, 1, index, index + 1);
      const label = g.slice(labels, 1, index, index + 1);
      return g.scale(LOSSES[task.loss](g, logit, label), task.weight);
    });
  const total = perTask.reduce((sum, next) => g.add(sum, next));
  const counted = byLogOdds ? total : g.multiply(total, g.exp(g.scale(logSampleRate, -1)));
  return g.reduceSum(g.multiply(counted, inverseRows), [0, 1]);
}
