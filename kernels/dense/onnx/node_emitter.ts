/**
 * The methods of the ONNX encoder that an op's entry in the table may use.
 */
import type { Shape } from "../graph/shape.ts";

/** Integers, strings and lists of integers; `{ to: "int64" }` names an element type. */
export type OnnxAttributes = Readonly<Record<string, number | string | readonly number[]>>;

/**
 * Most results of one Split or inputs of one Concat: WebGPU guarantees 8 buffers per shader, one is
 * the whole.
 */
export const FAN_MAX = 7;

export interface NodeEmitter {
  /** Adds a node and returns the name of its result. */
  node(opType: string, inputs: readonly string[], attributes?: OnnxAttributes): string;
  /** Adds the node whose result is the value itself. */
  result(opType: string, inputs: readonly string[], attributes?: OnnxAttributes): void;
  /**
   * A float32 constant of one element, with as many dimensions as the operand that it meets: where
   * it has fewer, ONNX Runtime computes a column element by element.
   */
  scalar(value: number, { shape }: { readonly shape: Shape }): string;
  /** A one-dimensional int64 constant. */
  integers(values: readonly number[]): string;
  /**
   * A one-dimensional int64 value of these dimensions; symbols are read from the graph's inputs at
   * run time.
   */
  shape(dims: Shape): string;
}
