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
  /**
   * ln(sample rate) of each example, 0 where it was not sampled. Shape `[rows, 1]`. Among negatives kept at rate r
   * the odds of a click are 1/r times too high; the loss sees `logit - ln r`, so the logit itself stays calibrated.
   *
   * @see King and Zeng, "Logistic Regression in Rare Events Data", 2001, section 4.1 (prior correction)
   */
  readonly logSampleRate: Value;
  /** 1 / rows. Shape `[1]`. */
  readonly inverseRows: Value;
}

type LossRule = (g: Graph, logit: Value, label: Value, logSampleRate: Value) => Value;

const LOSSES: { readonly [Loss in TaskOptions["loss"]]: LossRule } = {
  binaryCrossEntropy: (g, logit, label, logSampleRate) =>
    g.sigmoidCrossEntropy(g.subtract(logit, logSampleRate), label),
  squaredError: (g, value, label) => g.square(g.subtract(value, label)),
};

/** The mean loss of a batch, shape `[1, 1]`. */
export function batchLoss(
  g: Graph,
  inputs: LossInputs,
  tasks: readonly Required<TaskOptions>[],
): Value {
  const { logits, labels, logSampleRate, inverseRows } = inputs;
  const [{ loss, weight }] = tasks;
  const alike = tasks.every((task) => task.loss === loss && task.weight === weight);
  const perTask = alike
    ? [g.scale(LOSSES[loss](g, logits, labels, logSampleRate), weight)]
    : tasks.map((task, index) => {
      const logit = g.slice(logits, 1, index, index + 1);
      const label = g.slice(labels, 1, index, index + 1);
      return g.scale(LOSSES[task.loss](g, logit, label, logSampleRate), task.weight);
    });
  const total = perTask.reduce((sum, next) => g.add(sum, next));
  return g.reduceSum(g.multiply(total, inverseRows), [0, 1]);
}
