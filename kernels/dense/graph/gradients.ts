/**
 * Reverse-mode differentiation: one walk over the values in reverse topological order, with one
 * lookup in the table of ops per value.
 *
 * Only this walk undoes broadcasting: it sums each gradient that a rule returns to the shape of the
 * input.
 *
 * @see Baydin et al., "Automatic Differentiation in Machine Learning: a Survey", 2018, section 3.2
 */
import { ruleOf } from "../ops/table.ts";
import type { Graph } from "./graph.ts";
import { staticSize } from "./shape.ts";
import { type ComputedValue, isLeaf, topologicalOrder, type Value } from "./value.ts";

/**
 * Gradients of a scalar with respect to each of `variables`, in their shapes.
 *
 * @throws {Error} When a variable has no path to `loss`: training would never change it.
 */
export function gradients(g: Graph, loss: Value, variables: readonly Value[]): Value[] {
  if (staticSize(loss.shape) !== 1) throw new Error(`The loss must be one number.`);
  const order = topologicalOrder([loss]);
  const learns = new Set<Value>(variables);
  for (const value of order) {
    if (!isLeaf(value) && value.inputs.some((input) => learns.has(input))) learns.add(value);
  }

  const gradientOf = new Map<Value, Value>([[loss, g.broadcastTo(g.constant(1), loss.shape)]]);
  for (const y of order.reverse()) {
    const dY = gradientOf.get(y);
    if (dY === undefined || isLeaf(y)) continue;
    const flowing = ruleOf(y.op).gradient(y as ComputedValue, dY, g);
    y.inputs.forEach((x, index) => {
      const contribution = flowing[index];
      if (contribution === undefined || !learns.has(x)) return;
      const dX = g.sumTo(contribution, x.shape);
      const before = gradientOf.get(x);
      gradientOf.set(x, before === undefined ? dX : g.add(before, dX));
    });
  }

  return variables.map((variable) => {
    const gradient = gradientOf.get(variable);
    if (gradient === undefined) {
      const name = "name" in variable ? `"${variable.name}"` : `a ${variable.op}`;
      throw new Error(`${name} has no influence on the loss, so it cannot be learned.`);
    }
    return gradient;
  });
}
