/**
 * Bounds the norm of a step's gradient, and so the damage that one bad batch does to the weights.
 *
 * @see Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML
 *   2013
 */
import type { Graph } from "../graph/graph.ts";
import type { Value } from "../graph/value.ts";

/** Added to the norm, so that the division is defined when all gradients are 0. */
const TINY = 1e-6;

/**
 * `gradient · min(1, normMax / |gradient|)`, where `gradient` is the matrix of all gradients.
 *
 * @param squares `|gradient|²`, shape `[1, 1]`.
 */
export function clipByGlobalNorm(
  g: Graph,
  gradient: Value,
  squares: Value,
  normMax: number,
): Value {
  const norm = g.squareRoot(squares);
  const scale = g.divide(g.constant(normMax, [1]), g.shift(norm, TINY));
  return g.multiply(gradient, g.minimum(scale, g.constant(1, [1])));
}
