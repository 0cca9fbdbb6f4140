/**
 * The reference evaluator: runs a graph in plain float64, without a library, with the same bits on
 * every machine.
 */
import { present } from "../../../structures/invariant.ts";
import type { ReferenceTensor } from "../ops/op.ts";
import { ruleOf } from "../ops/table.ts";
import { resolveShape, type Shape } from "./shape.ts";
import { isLeaf, topologicalOrder, type Value } from "./value.ts";

/**
 * Evaluates `outputs` once.
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
  return new Evaluator(outputs).evaluate(feeds, symbols);
}

/** A value of the graph, and the steps that give its inputs. */
interface Step {
  readonly value: Value;
  readonly inputs: readonly number[];
}

/** Evaluates the same outputs again and again; their order and shapes are found once. */
export class Evaluator {
  readonly #steps: readonly Step[];
  readonly #outputs: readonly number[];
  /** Shapes of all steps for the newest symbols. */
  #shapes: readonly (readonly number[])[] = [];
  #symbols: Readonly<Record<string, number>> | undefined;

  constructor(outputs: readonly Value[]) {
    const order = topologicalOrder(outputs);
    const numbers = new Map(order.map((value, number) => [value, number]));
    const numberOf = (value: Value) =>
      present(numbers.get(value), "inputs are evaluated before their users");
    this.#steps = order.map((value) => ({
      value,
      inputs: isLeaf(value) ? [] : value.inputs.map(numberOf),
    }));
    this.#outputs = outputs.map(numberOf);
  }

  /** See {@link evaluate}. */
  evaluate(
    feeds: Readonly<Record<string, ArrayLike<number>>>,
    symbols: Readonly<Record<string, number>> = {},
  ): ReferenceTensor[] {
    this.#resolve(symbols);
    const tensors: ReferenceTensor[] = [];
    for (const [number, step] of this.#steps.entries()) {
      const shape = this.#shapes[number];
      tensors.push({ shape, data: dataOf(step, shape, tensors, feeds) });
    }
    return this.#outputs.map((number) => tensors[number]);
  }

  #resolve(symbols: Readonly<Record<string, number>>): void {
    const names = Object.keys(symbols);
    const before = this.#symbols;
    const isSame = before !== undefined && names.length === Object.keys(before).length &&
      names.every((name) => before[name] === symbols[name]);
    if (isSame) return;
    this.#shapes = this.#steps.map(({ value }) => resolveShape(value.shape, symbols));
    this.#symbols = { ...symbols };
  }
}

function dataOf(
  { value, inputs }: Step,
  shape: readonly number[],
  tensors: readonly ReferenceTensor[],
  feeds: Readonly<Record<string, ArrayLike<number>>>,
): Float64Array {
  switch (value.op) {
    case "Constant":
      return value.data;
    case "Input":
    case "Parameter":
      return fed(value.name, feeds[value.name], shape);
    default:
      return ruleOf(value.op).evaluate(
        inputs.map((number) => tensors[number]),
        value.attributes,
        shape,
      );
  }
}

function fed(name: string, data: ArrayLike<number> | undefined, shape: Shape): Float64Array {
  const size = (shape as number[]).reduce((product, dim) => product * dim, 1);
  if (data?.length === size) return new Float64Array(data);
  throw new Error(
    `Cannot evaluate: "${name}" needs ${size} values for shape [${shape}], got ${data?.length}.`,
  );
}
