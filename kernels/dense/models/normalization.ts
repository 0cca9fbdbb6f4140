/**
 * Keeps the sums that enter a hidden layer's ReLU in one range while the layers and embeddings below it learn.
 *
 *     layer: (z - mean of the row's units) / √(their variance + ε) · γ + β
 *     batch: (z - mean of the unit over the batch) / √(its variance + ε) · γ + β
 *
 * Serving has no batch: there a unit's mean and variance are running ones that training keeps. Layer normalisation
 * needs none, and means the same for one row as for thousands.
 *
 * @see Ba, Kiros and Hinton, "Layer Normalization", 2016
 * @see Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
 *   Shift", ICML 2015
 */
import type { Graph } from "../graph/graph.ts";
import { staticDim } from "../graph/shape.ts";
import type { Value } from "../graph/value.ts";

export type Normalization = "none" | "layer" | "batch";

/** Sums less their mean, and their variance about it: over a batch, or over all that training has seen. */
export interface Moments {
  /** Shape `[rows, width]`. */
  readonly centered: Value;
  /** Shape `[width]` or `[1, width]`. */
  readonly variance: Value;
}

/** Keeps the division defined where all values are alike. */
const EPSILON = 1e-5;

/** Names of a layer's running moments. */
export function momentNames(prefix: string, layer: number) {
  return { mean: `${prefix}mean${layer}`, variance: `${prefix}variance${layer}` };
}

/** The name of the running mean about which the variance of this name is one; undefined for another parameter's name. */
export function meanOfVariance(name: string): string | undefined {
  const [, prefix, layer] = /^(.*)variance(\d+)$/.exec(name) ?? [];
  return layer === undefined ? undefined : momentNames(prefix, Number(layer)).mean;
}

/** Layer normalisation of `z`, shape `[rows, width]`, with the parameters `gamma{layer}` and `beta{layer}`. */
export function layerNormalized(g: Graph, z: Value, gamma: string, beta: string): Value {
  const width = staticDim(z.shape[1]);
  const centered = g.subtract(z, g.scale(g.reduceSum(z, [1]), 1 / width));
  const variance = g.scale(g.reduceSum(g.square(centered), [1]), 1 / width);
  const standard = g.divide(centered, g.squareRoot(g.shift(variance, EPSILON)));
  return g.add(
    g.multiply(standard, g.parameter(gamma, [width], { kind: "constant", value: 1 })),
    g.parameter(beta, [width], { kind: "zeros" }),
  );
}

/** Batch normalisation of sums with these moments. */
export function batchNormalized(
  g: Graph,
  { centered, variance }: Moments,
  gamma: string,
  beta: string,
): Value {
  const width = staticDim(centered.shape[1]);
  // One factor a unit, so that nothing of the batch's size is divided.
  const factor = g.divide(
    g.parameter(gamma, [width], { kind: "constant", value: 1 }),
    g.squareRoot(g.shift(variance, EPSILON)),
  );
  return g.add(g.multiply(centered, factor), g.parameter(beta, [width], { kind: "zeros" }));
}
