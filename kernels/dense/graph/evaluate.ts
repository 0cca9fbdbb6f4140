/**
 * The reference evaluator: runs a graph in plain float64, without a library, with the same bits on
 * every machine.
 */
import { present } from "../../../structures/invariant.ts";
import type { ReferenceTensor } from "../ops/op.ts";
import { ruleOf } from "../ops/table.ts";
import { resolveShape, type Shape } from "./shape.ts";
import { topologicalOrder, type Value } from "./value.ts";

/**
 * Evaluates `outputs`.
 *
 * @param feeds Row-major data of each input and parameter, by name.
 * @param symbols Values of symbolic dimensions, e.g. `{ rows: 32 }`.
 * @throws {Error} When a feed is missing or has the wrong length.
 */
export function evaluate(
  outputs: readonly Value[],
  feeds: Readonly<Record<string, ArrayLike<number>>>,
  symbols: Readonly<Record<string, number>> = {},
): ReferenceTensor[] {
  const tensors = new Map<Value, ReferenceTensor>();
  for (const value of topologicalOrder(outputs)) {
    const shape = resolveShape(value.shape, symbols);
    tensors.set(value, { shape, data: dataOf(value, shape) });
  }
  return outputs.map(tensorOf);

  function tensorOf(value: Value): ReferenceTensor {
    return present(tensors.get(value), "inputs are evaluated before their users");
  }

  function dataOf(value: Value, shape: readonly number[]): Float64Array {
    switch (value.op) {
      case "Constant":
        return value.data;
      case "Input":
      case "Parameter":
        return fed(value.name, feeds[value.name], shape);
      default: {
        const inputs = value.inputs.map(tensorOf);
        return ruleOf(value.op).evaluate(inputs, value.attributes, shape);
      }
    }
  }
}

function fed(name: string, data: ArrayLike<number> | undefined, shape: Shape): Float64Array {
  const size = (shape as number[]).reduce((product, dim) => product * dim, 1);
  if (data?.length === size) return Float64Array.from(data);
  throw new Error(
    `Cannot evaluate: "${name}" needs ${size} values for shape [${shape}], got ${data?.length}.`,
  );
}
