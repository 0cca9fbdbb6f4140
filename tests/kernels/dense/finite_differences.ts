/**
 * The oracle of gradient checks: central differences in float64.
 */
import assert from "node:assert/strict";
import { evaluate } from "../../../kernels/dense/graph/evaluate.ts";
import type { Graph } from "../../../kernels/dense/graph/graph.ts";
import { gradients } from "../../../kernels/dense/graph/gradients.ts";
import type { Value } from "../../../kernels/dense/graph/value.ts";
import { mixKey, uniformAt } from "../../../kernels/dense/counter_random.ts";

export type Feeds = Record<string, Float64Array>;

/** Numbers in ±1, a function of the seed. */
export function numbers(size: number, seed: number): Float64Array {
  const key = mixKey([seed]);
  return Float64Array.from({ length: size }, (_, index) => 2 * uniformAt(key, index) - 1);
}

/** A weighted sum of the elements of `y`, with a different weight for each. */
export function weighted(g: Graph, y: Value, rows: number): { loss: Value; feeds: Feeds } {
  const size = evaluateSize(y, rows);
  const name = `probe_${y.id}`;
  const probe = g.input(name, y.shape);
  const axes = [...y.shape.keys()];
  const loss = g.reshape(g.reduceSum(g.multiply(y, probe), axes), []);
  return { loss, feeds: { [name]: numbers(size, 99) } };
}

/**
 * Fails unless the compiled gradients of `loss` equal central differences at every element of every
 * variable.
 */
export function checkGradients(
  g: Graph,
  loss: Value,
  variables: readonly (Value & { readonly name: string })[],
  feeds: Feeds,
  symbols: Readonly<Record<string, number>>,
): void {
  const computed = evaluate(gradients(g, loss, variables), feeds, symbols);
  const lossAt = (at: Feeds) => evaluate([loss], at, symbols)[0].data[0];
  const h = 1e-5;
  variables.forEach(({ name }, v) => {
    feeds[name].forEach((value, i) => {
      const above = feeds[name].slice(), below = feeds[name].slice();
      above[i] = value + h;
      below[i] = value - h;
      const difference = (lossAt({ ...feeds, [name]: above }) -
        lossAt({ ...feeds, [name]: below })) / (2 * h);
      const gradient = computed[v].data[i];
      const tolerance = 1e-6 * Math.max(1, Math.abs(difference));
      assert(
        Math.abs(gradient - difference) <= tolerance,
        `d/d${name}[${i}]: compiled ${gradient}, by differences ${difference}`,
      );
    });
  });
}

function evaluateSize(y: Value, rows: number): number {
  return y.shape.reduce<number>((size, dim) => {
    if (typeof dim === "number") return size * dim;
    const star = dim.indexOf("*");
    return size * rows * (star < 0 ? 1 : Number(dim.slice(0, star)));
  }, 1);
}
