/**
 * Wide & Deep: the sum of a linear model, which memorises, and a deep tower, which generalises,
 * trained together. Crossed features of the wide part are slots of the feature schema.
 *
 * @see Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016
 */
import type { DeepTowerOptions } from "./deep_fm.ts";
import { bias, concatenatedColumns, concatenatedFeatures, firstOrderSum, mlp } from "./layers.ts";
import type { ModelDefinition } from "./model.ts";
import { embeddings, firstOrder } from "./sparse_inputs.ts";

export const wideAndDeep: ModelDefinition<DeepTowerOptions> = {
  sparseInputs: (options, sizes) => [firstOrder(sizes), embeddings(options, sizes)],

  logits(g, inputs, { hidden, dropout = 0, normalization = "none" }, { tasks }) {
    const columns = concatenatedColumns(inputs), units = inputs.columns.tasks;
    const wide = g.add(firstOrderSum(g, inputs), bias(g, units));
    const x = concatenatedFeatures(g, inputs);
    const widths = [...hidden, tasks];
    const tower = { prefix: "", widths, last: "linear", columns, units } as const;
    const deep = mlp(g, x, inputs, { ...tower, dropout, normalization });
    return g.add(deep, wide);
  },
};
