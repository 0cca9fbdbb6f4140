/**
 * DeepFM: a factorization machine and a deep tower over the same embeddings, summed.
 *
 *     logit = bias + Σ first_order + Σ_{i<j} ⟨e_i, e_j⟩ + MLP([e; dense])
 *
 * @see Guo et al., "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction", IJCAI 2017
 */
import { bias, concatenatedFeatures, firstOrderSum, mlp, pairwiseInteractions } from "./layers.ts";
import type { ModelDefinition } from "./model.ts";
import type { Normalization } from "./normalization.ts";

export interface DeepTowerOptions {
  readonly embeddingDim: number;
  readonly hidden: readonly number[];
  readonly dropout?: number;
  readonly normalization?: Normalization;
}

export const deepFm: ModelDefinition<DeepTowerOptions> = {
  sparseInputs: ({ embeddingDim }) => [
    { segment: "first_order", dim: 1 },
    { segment: "embeddings", dim: embeddingDim },
  ],

  logits(g, inputs, { hidden, dropout = 0, normalization = "none" }, { tasks }) {
    const x = concatenatedFeatures(g, inputs);
    const widths = [...hidden, tasks];
    const tower = { prefix: "", widths, last: "linear", dropout, normalization } as const;
    const deep = mlp(g, x, inputs, tower);
    const wide = g.add(firstOrderSum(g, inputs), bias(g, tasks));
    const pairs = pairwiseInteractions(g, inputs.sparse.embeddings);
    return g.add(deep, g.add(wide, pairs));
  },
};
