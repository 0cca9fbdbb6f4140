/**
 * The closed list of ops, and the rule that each of them needs.
 *
 * Every op has one entry in the table (ops/table.ts): its result's shape, its gradient, its value
 * in float64 (the oracle of the tests and the engine of the simulation) and its ONNX encoding. The
 * table is a mapped type over this list, so a missing entry does not compile.
 */
import type { Graph } from "../graph/graph.ts";
import type { Shape } from "../graph/shape.ts";
import type { ComputedValue, Value } from "../graph/value.ts";
import type { NodeEmitter } from "../onnx/node_emitter.ts";

/** Ops by name, with the attributes that they take in addition to their inputs. */
export interface OpAttributes {
  Add: None;
  Subtract: None;
  Multiply: None;
  Divide: None;
  Minimum: None;
  /** `factor · x` */
  Scale: { readonly factor: number };
  /** `x + offset` */
  Shift: { readonly offset: number };
  Square: None;
  SquareRoot: None;
  Exp: None;
  /** Natural logarithm. */
  Log: None;
  Relu: None;
  Sigmoid: None;
  /** `where(x > 0, y, 0)` of inputs (x, y): the gradient of Relu. */
  PassPositive: None;
  /** Binary cross entropy of a logit: `ln(1 + e^z) - z·y` of inputs (z, y). */
  SigmoidCrossEntropy: None;
  /** Over the last axis. */
  Softmax: None;
  /**
   * Greatest value over the last axis, which remains with size 1. It has no gradient, so it serves
   * where the result does not depend on it, as the shift of a log-sum-exp.
   */
  LastAxisMax: None;
  /** `A · B` over the last two axes; leading axes must be equal. */
  MatMul: { readonly transposeA: boolean; readonly transposeB: boolean };
  /** `X · W + b`, X of shape [n, in], W [in, out], b [out] or [n, out]. */
  Linear: None;
  /** Sums over `axes`, which remain with size 1. */
  ReduceSum: { readonly axes: readonly number[] };
  /** Sums of the squares over `axes`, which remain with size 1. */
  ReduceSumSquare: { readonly axes: readonly number[] };
  Reshape: { readonly shape: Shape };
  Transpose: { readonly permutation: readonly number[] };
  /** Stretches axes of size 1 and adds leading axes. */
  BroadcastTo: { readonly shape: Shape };
  Concat: { readonly axis: number };
  /** `x[…, start:end, …]` along `axis`. */
  Slice: { readonly axis: number; readonly start: number; readonly end: number };
  /** Zeros before and after along `axis`. */
  Pad: { readonly axis: number; readonly before: number; readonly after: number };
  /** Columns of a matrix by distinct constant indices; -1 gives zeros. */
  SelectColumns: { readonly indices: readonly number[] };
  /**
   * Row `index[i]` of x for each i, of inputs (x, index): x of shape [n, width], index [rows] of
   * whole numbers from 0 to n - 1. Only serving graphs have it, so it has no gradient.
   */
  GatherRows: None;
}

export type OpName = keyof OpAttributes;
export type None = Readonly<Record<never, never>>;

/** A tensor of the reference evaluator: row-major, shape without symbols. */
export interface ReferenceTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export interface OpRule<Name extends OpName> {
  /** @throws {ShapeError} When the inputs do not fit together. */
  shape(inputs: readonly Shape[], attributes: OpAttributes[Name]): Shape;
  /** Gradient per input, in the result's or the input's shape; undefined = zero. */
  gradient(y: ComputedValue<Name>, dY: Value, g: Graph): readonly (Value | undefined)[];
  /** Row-major result of the given shape, in float64. */
  evaluate(
    inputs: readonly ReferenceTensor[],
    attributes: OpAttributes[Name],
    shape: readonly number[],
  ): Float64Array;
  /** Emits ONNX nodes; the last one, by `emit.result`, has the value's own name. */
  encode(y: ComputedValue<Name>, inputs: readonly string[], emit: NodeEmitter): void;
  /** Set for elementwise ops: a broadcast of an input may move to the result. */
  readonly elementwise?: true;
}

export type OpTable = { readonly [Name in OpName]: OpRule<Name> };
