/**
 * Logistic regression over sparse ids and dense values: the baseline for every deeper model.
 *
 * @see McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013
 */
import { bias, firstOrderSum } from "./layers.ts";
import type { ModelDefinition } from "./model.ts";
import { firstOrder } from "./sparse_inputs.ts";

export const logisticRegression: ModelDefinition<Record<never, never>> = {
  sparseInputs: (_options, sizes) => [firstOrder(sizes)],

  logits(g, inputs) {
    const { dense, tasks } = inputs.columns;
    const logit = g.add(firstOrderSum(g, inputs), bias(g, tasks));
    if (inputs.dense === undefined) return logit;
    const shape = [dense.length, tasks.length];
    const weights = g.parameter("dense_w", shape, { kind: "zeros" }, [dense, tasks]);
    return g.add(logit, g.matMul(inputs.dense, weights));
  },
};
