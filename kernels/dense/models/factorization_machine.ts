/**
 * Factorization machine: a linear model plus the dot products of all pairs of slots.
 *
 * @see Rendle, "Factorization Machines", ICDM 2010
 */
import { logisticRegression } from "./logistic_regression.ts";
import { pairwiseInteractions } from "./layers.ts";
import type { ModelDefinition } from "./model.ts";

export const factorizationMachine: ModelDefinition<{ readonly embeddingDim: number }> = {
  sparseInputs: ({ embeddingDim }) => [
    { segment: "first_order", dim: 1 },
    { segment: "embeddings", dim: embeddingDim },
  ],

  logits(g, inputs, options, sizes) {
    const linear = logisticRegression.logits(g, inputs, options, sizes);
    return g.add(linear, pairwiseInteractions(g, inputs.sparse.embeddings));
  },
};
