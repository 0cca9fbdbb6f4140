/**
 * A value of a graph: what one op makes from other values. A value is its own node, so a graph is just its values,
 * and ascending ids are a topological order (an op's inputs exist before it does).
 */
import type { OpAttributes, OpName } from "../ops/op.ts";
import type { Axis } from "./axis.ts";
import type { Shape } from "./shape.ts";

/** How a parameter starts. */
export type ParameterInitializer =
  | { readonly kind: "zeros" }
  | { readonly kind: "constant"; readonly value: number }
  /** Uniform in ±sqrt(6 / (fan in + fan out)). Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010. */
  | { readonly kind: "glorotUniform" };

interface ValueBase {
  readonly id: number;
  readonly shape: Shape;
}

/** Given by the caller at each run. */
export interface InputValue extends ValueBase {
  readonly op: "Input";
  readonly name: string;
}

/** Learned or counted by training: given by the session, which keeps it between runs. */
export interface ParameterValue extends ValueBase {
  readonly op: "Parameter";
  readonly name: string;
  readonly initializer: ParameterInitializer;
  /** What the places along its axes are of; an axis left out is unnamed. */
  readonly axes: readonly Axis[];
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

/** All values that the given ones are made from, and themselves, inputs before their users. */
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
