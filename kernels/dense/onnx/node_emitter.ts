/**
 * What an op's entry in the table may ask of the ONNX encoder.
 */
import type { Shape } from "../graph/shape.ts";

/** Integers, texts, and lists of integers; `{ to: "int64" }` names an element type. */
export type OnnxAttributes = Readonly<Record<string, number | string | readonly number[]>>;

/** Results of one Split, inputs of one Concat: WebGPU guarantees 8 buffers to a shader, and one is for the whole. */
export const FAN_MAX = 7;

export interface NodeEmitter {
  /** Adds a node and returns the name of its result. */
  node(opType: string, inputs: readonly string[], attributes?: OnnxAttributes): string;
  /** Adds the node that makes the value itself. */
  result(opType: string, inputs: readonly string[], attributes?: OnnxAttributes): void;
  /** A float32 constant without dimensions. */
  scalar(value: number): string;
  /** A one-dimensional int64 constant. */
  integers(values: readonly number[]): string;
  /** A one-dimensional int64 value of these dimensions; symbols are read from the graph's inputs when it runs. */
  shape(dims: Shape): string;
}
