/**
 * Layers that several papers share.
 */
import type { Axis } from "../graph/axis.ts";
import type { Graph } from "../graph/graph.ts";
import { staticDim } from "../graph/shape.ts";
import type { Value } from "../graph/value.ts";
import type { GraphInputs } from "./model.ts";
import {
  batchNormalized,
  type HiddenNormalization,
  layerNormalized,
  momentNames,
} from "./normalization.ts";

export interface MlpOptions {
  /** Prefix of parameter names: `w{i}`, `b{i}`, and in normalised layers `gamma{i}`, `beta{i}`. */
  readonly prefix: string;
  readonly widths: readonly number[];
  /** "linear" leaves the last layer without ReLU, normalisation and dropout. */
  readonly last: "relu" | "linear";
  /** Names of the columns of `x`. Default: unnamed. */
  readonly columns?: Axis;
  /** Names of the units of a linear last layer. Default: unnamed. */
  readonly units?: Axis;
  readonly dropout?: number;
  readonly normalization?: HiddenNormalization;
}

/** A tower of `relu(x · w{i} + b{i})`, w{i} of shape `[in, out]`. */
export function mlp(g: Graph, x: Value, inputs: GraphInputs, options: MlpOptions): Value {
  const { prefix, widths, last, columns = [], units = [] } = options;
  const { dropout = 0, normalization = "none" } = options;
  return widths.reduce((hidden, width, layer) => {
    const named = (parameter: string) => `${prefix}${parameter}${layer}`;
    const isLinear = last === "linear" && layer === widths.length - 1;
    const axes = [layer === 0 ? columns : [], isLinear ? units : []];
    const weights = { weight: named("w"), bias: named("b"), width, axes };
    if (isLinear) return linear(g, hidden, weights);
    // With batch normalisation no b: subtracting the mean would cancel it.
    const z = normalization === "batch"
      ? g.matMul(hidden, weightMatrix(g, hidden, weights))
      : linear(g, hidden, weights);
    const standard = normalized(g, z, inputs, { prefix, layer, normalization });
    return inputs.dropout(g.relu(standard), dropout);
  }, x);
}

/** The normalisation of one hidden layer. */
export interface LayerNormalization {
  /** Prefix of the names of its parameters and statistics. */
  readonly prefix: string;
  readonly layer: number;
  readonly normalization: HiddenNormalization;
}

/** `z`, shape `[rows, width]`, normalised with parameters `gamma{layer}` and `beta{layer}`. */
export function normalized(
  g: Graph,
  z: Value,
  inputs: GraphInputs,
  { prefix, layer, normalization }: LayerNormalization,
): Value {
  const gamma = `${prefix}gamma${layer}`, beta = `${prefix}beta${layer}`;
  switch (normalization) {
    case "none":
      return z;
    case "layer":
      return layerNormalized(g, z, gamma, beta);
    case "batch": {
      const { mean, variance } = momentNames(prefix, layer);
      return batchNormalized(g, inputs.moments(z, mean, variance), gamma, beta);
    }
    default:
      return normalization satisfies never;
  }
}

/** A linear layer's parameters. */
export interface LinearOptions {
  /** Name of the matrix, shape `[columns of x, width]`. */
  readonly weight: string;
  /** Name of the offsets, shape `[width]`. */
  readonly bias: string;
  readonly width: number;
  /** Names of the columns of `x` and of the result. Default: unnamed. */
  readonly axes?: readonly Axis[];
}

/** `x · W + b` with new parameters. Shape `[rows, width]`. */
export function linear(g: Graph, x: Value, options: LinearOptions): Value {
  const { bias, width, axes = [] } = options;
  const w = weightMatrix(g, x, options);
  return g.linear(x, w, g.parameter(bias, [width], { kind: "zeros" }, axes.slice(1)));
}

function weightMatrix(
  g: Graph,
  x: Value,
  { weight, width, axes }: Omit<LinearOptions, "bias">,
): Value {
  return g.parameter(weight, [staticDim(x.shape[1]), width], { kind: "glorotUniform" }, axes);
}

/** All embeddings concatenated, then the dense values. Shape `[rows, Σ dims + denseWidth]`. */
export function concatenatedFeatures(g: Graph, inputs: GraphInputs): Value {
  const { embeddings } = inputs.sparse;
  return inputs.dense === undefined ? embeddings : g.concat([embeddings, inputs.dense], 1);
}

/** Names of the columns of {@link concatenatedFeatures}. */
export function concatenatedColumns({ columns: { slots, dense } }: GraphInputs): Axis {
  return [...slots, ...dense];
}

/** Embeddings of the slots that have one, all of width `dim`. Shape `[rows, slots, dim]`. */
export function slotVectors(g: Graph, inputs: GraphInputs, dim: number): Value {
  const { embeddings } = inputs.sparse;
  const [rows, width] = embeddings.shape;
  return g.reshape(embeddings, [rows, staticDim(width) / dim, dim]);
}

/** The sum of all slots' first-order weights. Shape `[rows, 1]`. */
export function firstOrderSum(g: Graph, inputs: GraphInputs): Value {
  const { first_order: firstOrder } = inputs.sparse;
  return g.reshape(g.reduceSum(firstOrder, [1]), [firstOrder.shape[0], 1]);
}

/**
 * All pairwise dot products of the slots' embeddings, `Σ_{i<j} ⟨e_i, e_j⟩`, in linear time. Shape
 * `[rows, 1]`.
 *
 * @see Rendle, "Factorization Machines", 2010, lemma 3.1
 */
export function pairwiseInteractions(
  g: Graph,
  { slotSum, squareSum }: Pick<GraphInputs, "slotSum" | "squareSum">,
  embeddings: Value,
): Value {
  const sum = slotSum(embeddings); // Σ_i e_i, [rows, 1, dim]
  const pairs = g.subtract(squareSum(sum), squareSum(embeddings)); // |Σ_i e_i|² - Σ_i |e_i|²
  return g.reshape(g.scale(pairs, 0.5), [embeddings.shape[0], 1]);
}

/** One learned offset per task. */
export function bias(g: Graph, tasks: Axis): Value {
  return g.parameter("bias", [tasks.length], { kind: "zeros" }, [tasks]);
}
