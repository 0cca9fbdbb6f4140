/**
 * DLRM: a bottom tower turns the dense values into one more embedding; the top tower reads its
 * result and the dot products of all pairs of embeddings.
 *
 * @see Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation
 *   Systems", 2019
 */
import { type Axis, joined, keyOf } from "../graph/axis.ts";
import { staticDim } from "../graph/shape.ts";
import { mlp, slotVectors } from "./layers.ts";
import type { GraphInputs, ModelDefinition } from "./model.ts";
import type { HiddenNormalization } from "./normalization.ts";
import { ModelOptionsError } from "./options.ts";
import { type EmbeddingOptions, embeddings } from "./sparse_inputs.ts";

export interface DlrmOptions extends EmbeddingOptions {
  readonly bottom: readonly number[];
  readonly top: readonly number[];
  readonly dropout?: number;
  readonly normalization?: HiddenNormalization;
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
      columns: inputs.columns.dense,
      dropout,
      normalization,
    });

    // Shape [rows, n, dim].
    const vectors = g.concat([g.reshape(dense, [rows, 1, embeddingDim]), slots], 1);
    const n = staticDim(vectors.shape[1]);
    const dots = g.reshape(g.matMul(vectors, g.transposeLast(vectors)), [rows, n * n]);
    const pairs = pairsOf(n);
    const products = g.selectColumns(dots, pairs.map(([i, j]) => i * n + j));

    const widths = [...top, tasks];
    const columns = joinedColumns(inputs, embeddingDim, pairs), units = inputs.columns.tasks;
    const tower = { prefix: "top_", widths, last: "linear", columns, units } as const;
    return mlp(g, g.concat([dense, products], 1), inputs, { ...tower, dropout, normalization });
  },
};

/** Index pairs (i, j) with j < i < n, row by row. */
function pairsOf(n: number): [number, number][] {
  return Array.from(
    { length: n },
    (_, i) => Array.from({ length: i }, (_, j): [number, number] => [i, j]),
  ).flat();
}

/**
 * Columns of the top tower's input: the bottom's result, then one product per pair, named alike in
 * either order.
 */
function joinedColumns(
  { columns: { slots } }: GraphInputs,
  embeddingDim: number,
  pairs: readonly (readonly [number, number])[],
): Axis {
  const bottom = { name: "bottom", size: embeddingDim };
  const vectors = [bottom, ...slots.filter(({ size }) => size > 0)];
  return [
    bottom,
    ...pairs.map(([i, j]) => {
      const [a, b] = [vectors[i], vectors[j]];
      return { ...joined(keyOf(a) < keyOf(b) ? [a, b] : [b, a], " · "), size: 1 };
    }),
  ];
}
