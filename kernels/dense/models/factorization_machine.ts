/**
 * Factorization machine: a linear model plus the dot products of all pairs of slots.
 *
 * @see Rendle, "Factorization Machines", ICDM 2010
 */
import { logisticRegression } from "./logistic_regression.ts";
import { pairwiseInteractions, slotVectors } from "./layers.ts";
import type { ModelDefinition } from "./model.ts";
import { type EmbeddingOptions, embeddings, firstOrder } from "./sparse_inputs.ts";

export const factorizationMachine: ModelDefinition<EmbeddingOptions> = {
  dotProducts: true,
  sparseInputs: (options, sizes) => [firstOrder(sizes), embeddings(options, sizes)],

  logits(g, inputs, options, sizes) {
    const linear = logisticRegression.logits(g, inputs, options, sizes);
    const vectors = slotVectors(g, inputs, options.embeddingDim);
    return g.add(linear, pairwiseInteractions(g, inputs, vectors));
  },
};
