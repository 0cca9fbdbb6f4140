/**
 * DeepFM: a factorization machine and a deep tower over the same embeddings, summed.
 *
 *     logit = bias + Σ first_order + Σ_{i<j} ⟨e_i, e_j⟩ + MLP([e; dense])
 *
 * @see Guo et al., "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction", IJCAI
 *   2017
 */
import {
  bias,
  concatenatedColumns,
  concatenatedFeatures,
  firstOrderSum,
  mlp,
  pairwiseInteractions,
  slotVectors,
} from "./layers.ts";
import type { ModelDefinition } from "./model.ts";
import type { HiddenNormalization } from "./normalization.ts";
import { type EmbeddingOptions, embeddings, firstOrder } from "./sparse_inputs.ts";

export interface DeepTowerOptions extends EmbeddingOptions {
  readonly hidden: readonly number[];
  readonly dropout?: number;
  readonly normalization?: HiddenNormalization;
}

export const deepFm: ModelDefinition<DeepTowerOptions> = {
  dotProducts: true,
  sparseInputs: (options, sizes) => [firstOrder(sizes), embeddings(options, sizes)],

  logits(g, inputs, options, { tasks }) {
    const { embeddingDim, hidden, dropout = 0, normalization = "none" } = options;
    const x = concatenatedFeatures(g, inputs);
    const widths = [...hidden, tasks];
    const columns = concatenatedColumns(inputs), units = inputs.columns.tasks;
    const tower = { prefix: "", widths, last: "linear", columns, units } as const;
    const deep = mlp(g, x, inputs, { ...tower, dropout, normalization });
    const wide = g.add(firstOrderSum(g, inputs), bias(g, units));
    const pairs = pairwiseInteractions(g, inputs, slotVectors(g, inputs, embeddingDim));
    return g.add(deep, g.add(wide, pairs));
  },
};
