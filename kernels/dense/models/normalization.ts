/**
 * Normalises the sums that enter a hidden layer's ReLU, so that their range stays the same while
 * the layers and embeddings below learn.
 *
 *     layer: (z - mean of the row's units) / √(their variance + ε) · γ + β
 *     batch: (z - mean of the unit over the batch) / √(its variance + ε) · γ + β
 *
 * Serving has no batch, so batch normalisation uses running means and variances that training
 * keeps. Layer normalisation needs neither: its result for a row does not depend on other rows.
 *
 * @see Ba, Kiros and Hinton, "Layer HiddenNormalization", 2016
 * @see Ioffe and Szegedy, "Batch HiddenNormalization: Accelerating Deep Network Training by
 *   Reducing Internal Covariate Shift", ICML 2015
 */
import type { Graph } from "../graph/graph.ts";
import { staticDim } from "../graph/shape.ts";
import type { Value } from "../graph/value.ts";

/** Normalisation of hidden layers. */
export type HiddenNormalization = "none" | "layer" | "batch";

/** Sums minus their mean, and their variance: over a batch, or running. */
export interface Moments {
  /** Shape `[rows, width]`. */
  readonly centered: Value;
  /** Shape `[width]` or `[1, width]`. */
  readonly variance: Value;
}

/** Added to the variance, so that the division is defined when all values are equal. */
const EPSILON = 1e-5;

/** Names of a layer's running moments. */
export function momentNames(prefix: string, layer: number) {
  return { mean: `${prefix}mean${layer}`, variance: `${prefix}variance${layer}` };
}

/**
 * The name of the running mean that belongs to a running variance; undefined for other parameters.
 */
export function meanOfVariance(name: string): string | undefined {
  const [, prefix, layer] = /^(.*)variance(\d+)$/.exec(name) ?? [];
  return layer === undefined ? undefined : momentNames(prefix, Number(layer)).mean;
}

/**
 * Layer normalisation of `z`, shape `[rows, width]`, with the parameters `gamma{layer}` and
 * `beta{layer}`.
 */
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

/** Batch normalisation of sums with the given moments. Shape `[rows, width]`. */
export function batchNormalized(
  g: Graph,
  { centered, variance }: Moments,
  gamma: string,
  beta: string,
): Value {
  const width = staticDim(centered.shape[1]);
  // γ / √(variance + ε) first: a division per unit instead of one per element of the batch.
  const factor = g.divide(
    g.parameter(gamma, [width], { kind: "constant", value: 1 }),
    g.squareRoot(g.shift(variance, EPSILON)),
  );
  return g.add(g.multiply(centered, factor), g.parameter(beta, [width], { kind: "zeros" }));
}
