/**
 * A value of a graph: the result of one op on other values, or a leaf. Values are the nodes of the
 * graph, and ascending ids are a topological order, because an op's inputs exist before its result.
 */
import type { OpAttributes, OpName } from "../ops/op.ts";
import type { Axis } from "./axis.ts";
import type { Shape } from "./shape.ts";

/** First values of a parameter. */
export type ParameterInitializer =
  | { readonly kind: "zeros" }
  | { readonly kind: "constant"; readonly value: number }
  /**
   * Uniform in ±sqrt(6 / (fan in + fan out)).
   *
   * @see Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
   *   networks", 2010
   */
  | { readonly kind: "glorotUniform" };

interface ValueBase {
  readonly id: number;
  readonly shape: Shape;
}

/** An array that the caller feeds at each run. */
export interface InputValue extends ValueBase {
  readonly op: "Input";
  readonly name: string;
}

/** A weight or statistic that training updates; the session keeps it between runs. */
export interface ParameterValue extends ValueBase {
  readonly op: "Parameter";
  readonly name: string;
  readonly initializer: ParameterInitializer;
  /** Names along its axes; an axis left out is unnamed. */
  readonly axes: readonly Axis[];
}

/** Rows of a parameter as an input of the graph, which the session cuts when weights are loaded. */
export interface ParameterRows {
  readonly input: InputValue;
  /** Name of the parameter. */
  readonly of: string;
  readonly rows: readonly number[];
}

export interface ConstantValue extends ValueBase {
  readonly op: "Constant";
  readonly data: Float64Array;
}

/** The result of an op of the table. */
export interface ComputedValue<Name extends OpName = OpName> extends ValueBase {
  readonly op: Name;
  readonly inputs: readonly Value[];
  readonly attributes: OpAttributes[Name];
}

export type LeafValue = InputValue | ParameterValue | ConstantValue;
export type Value = LeafValue | { [Name in OpName]: ComputedValue<Name> }[OpName];

export function isLeaf(value: Value): value is LeafValue {
  return value.op === "Input" || value.op === "Parameter" || value.op === "Constant";
}

/** The given values and all values that they depend on; inputs come before their users. */
export function topologicalOrder(outputs: readonly Value[]): Value[] {
  const seen = new Set<Value>();
  const pending = [...outputs];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    if (!isLeaf(value)) pending.push(...value.inputs);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}
