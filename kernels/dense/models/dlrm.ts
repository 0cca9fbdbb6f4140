/**
 * DLRM: dense values go through a bottom tower to become one more embedding; the dot products of all pairs, beside
 * the bottom's result, go through the top tower.
 *
 * @see Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation Systems", 2019
 */
import { staticDim } from "../graph/shape.ts";
import { mlp, slotVectors } from "./layers.ts";
import type { ModelDefinition } from "./model.ts";
import type { Normalization } from "./normalization.ts";
import { ModelOptionsError } from "./options.ts";
import { type EmbeddingOptions, embeddings } from "./sparse_inputs.ts";

export interface DlrmOptions extends EmbeddingOptions {
  readonly bottom: readonly number[];
  readonly top: readonly number[];
  readonly dropout?: number;
  readonly normalization?: Normalization;
}

export const dlrm: ModelDefinition<DlrmOptions> = {
  dotProducts: true,
  sparseInputs: (options, sizes) => [embeddings(options, sizes)],

  logits(g, inputs, { embeddingDim, bottom, top, dropout = 0, normalization = "none" }, { tasks }) {
    if (inputs.dense === undefined) {
      throw new ModelOptionsError(
        "DLRM needs dense values for its bottom tower, and the features have none; add a numeric feature with a dense value, or choose deepFm.",
      );
    }
    const slots = slotVectors(g, inputs, embeddingDim);
    const rows = slots.shape[0];
    const bottomWidths = [...bottom, embeddingDim];
    const dense = mlp(g, inputs.dense, inputs, {
      prefix: "bottom_",
      widths: bottomWidths,
      last: "relu",
      dropout,
      normalization,
    });

    const vectors = g.concat([g.reshape(dense, [rows, 1, embeddingDim]), slots], 1); // [rows, n, dim]
    const n = staticDim(vectors.shape[1]);
    const dots = g.reshape(g.matMul(vectors, g.transposeLast(vectors)), [rows, n * n]);
    const pairs = g.selectColumns(dots, strictLowerTriangle(n));

    const joined = g.concat([dense, pairs], 1);
    const widths = [...top, tasks];
    const tower = { prefix: "top_", widths, last: "linear", dropout, normalization } as const;
    return mlp(g, joined, inputs, tower);
  },
};

/** Row-major positions (i, j), j < i, of an n × n matrix, row by row. */
function strictLowerTriangle(n: number): number[] {
  const positions: number[] = [];
  for (let i = 1; i < n; i++) {
    for (let j = 0; j < i; j++) positions.push(i * n + j);
  }
  return positions;
}
