/**
 * Pools a history (a user's recent items) by attention: a small tower over [h; c; h - c; h ∘ c]
 * gives the weight of entry h for candidate c. Weights are not normalised, so that their sum keeps
 * the strength of the interest.
 *
 * @see Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018, section
 *   4.3
 */
import { joined } from "../graph/axis.ts";
import type { Graph } from "../graph/graph.ts";
import { multiplyDim, staticDim } from "../graph/shape.ts";
import type { Value } from "../graph/value.ts";
import { mlp } from "./layers.ts";
import type { GraphInputs, HistoryInput, SparseInput } from "./model.ts";
import { type AttentionOptions, ModelOptionsError, type ModelSizes } from "./options.ts";

/**
 * The histories that a model with these attentions reads in addition to its pooled slots.
 *
 * @throws {ModelOptionsError} When the slots do not exist, are the same, or have different widths.
 */
export function historyInputs(
  attention: readonly AttentionOptions[],
  sparse: readonly SparseInput[],
  { slots }: ModelSizes,
): HistoryInput[] {
  return attention.map(({ slot, candidate, lengthMax }) => {
    const embeddings = sparse.find(({ slice }) => slice === "embeddings");
    if (embeddings === undefined) {
      throw new ModelOptionsError(
        "Attention needs embeddings, and this model has none; choose another model or leave attention out.",
      );
    }
    if (slot === candidate || slot >= slots || candidate >= slots) {
      throw new ModelOptionsError(
        `Attention over slot ${slot} with candidate slot ${candidate} needs two different slots below ${slots}.`,
      );
    }
    const dim = embeddings.dims[slot];
    if (dim === 0 || dim !== embeddings.dims[candidate]) {
      throw new ModelOptionsError(
        `Attention compares embeddings: slot ${slot} has width ${dim} and its candidate, slot ${candidate}, ` +
          `${embeddings.dims[candidate]}; give both the same width above 0.`,
      );
    }
    return { name: `history${slot}`, slot, lengthMax, dim };
  });
}

/** The inputs with each attended slot's vector replaced by the pooled history. */
export function attendedInputs(
  g: Graph,
  inputs: GraphInputs,
  attention: readonly AttentionOptions[],
  sparse: readonly SparseInput[],
): GraphInputs {
  const dims = sparse.find(({ slice }) => slice === "embeddings")?.dims ?? [];
  const columnOf = (slot: number) => dims.slice(0, slot).reduce((sum, dim) => sum + dim, 0);
  return attention.reduce((before, options) => {
    const { embeddings } = before.sparse;
    const candidate = g.slice(
      embeddings,
      1,
      columnOf(options.candidate),
      columnOf(options.candidate + 1),
    );
    const pooled = attendedVector(g, before, candidate, options);
    const replaced = replaceColumns(g, embeddings, columnOf(options.slot), pooled);
    return { ...before, sparse: { ...before.sparse, embeddings: replaced } };
  }, inputs);
}

/** `Σ_j a(h_j, c) · h_j` over the entries that are present. Shape `[rows, dim]`. */
function attendedVector(
  g: Graph,
  inputs: GraphInputs,
  candidate: Value,
  options: AttentionOptions,
): Value {
  const { slot, hidden = [32] } = options;
  const { entries, present } = inputs.histories[`history${slot}`];
  const [rows, length, dim] = entries.shape;
  const c = g.broadcastTo(g.reshape(candidate, [rows, 1, dim]), entries.shape);

  const features = g.concat([entries, c, g.subtract(entries, c), g.multiply(entries, c)], 2);
  const pairs = multiplyDim(rows, staticDim(length));
  const flat = g.reshape(features, [pairs, 4 * staticDim(dim)]);
  const compared = [slot, options.candidate].map((each) => inputs.columns.slots[each]);
  const a = mlp(g, flat, inputs, {
    prefix: `attention${slot}_`,
    widths: [...hidden, 1],
    last: "linear",
    // The parameter is named by the slot's position, so the axis names the slots themselves.
    columns: [{ ...joined(compared, " with "), size: 4 * staticDim(dim) }],
  });

  const weights = g.multiply(
    g.reshape(a, [rows, length, 1]),
    g.reshape(present, [rows, length, 1]),
  );
  return g.reshape(g.reduceSum(g.multiply(weights, entries), [1]), [rows, dim]);
}

/** Replaces the columns from `column` on by those of `pooled`. */
function replaceColumns(g: Graph, embeddings: Value, column: number, pooled: Value): Value {
  const width = staticDim(embeddings.shape[1]);
  const end = column + staticDim(pooled.shape[1]);
  return g.concat([
    ...(column > 0 ? [g.slice(embeddings, 1, 0, column)] : []),
    pooled,
    ...(end < width ? [g.slice(embeddings, 1, end, width)] : []),
  ], 1);
}
