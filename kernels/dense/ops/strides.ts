/**
 * Walks over broadcast operands, for the reference evaluator.
 */
import type { ReferenceTensor } from "./op.ts";

/** Row-major strides of `shape`, one per axis of `target`; 0 along axes that are stretched. */
export function broadcastStrides(shape: readonly number[], target: readonly number[]): number[] {
  const strides = new Array<number>(target.length).fill(0);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1) strides[axis + target.length - shape.length] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** The offset of each element of `shape` in row-major order, by these strides. */
export function offsetsOf(shape: readonly number[], strides: readonly number[]): Uint32Array {
  const offsets = new Uint32Array(product(shape));
  const index = new Array<number>(shape.length).fill(0);
  let offset = 0;
  for (let position = 0; position < offsets.length; position++) {
    offsets[position] = offset;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return offsets;
}

/** The tensor's elements, repeated to fill `shape`. */
export function stretch(tensor: ReferenceTensor, shape: readonly number[]): Float64Array {
  const size = product(shape);
  if (tensor.data.length === size) return tensor.data;
  if (tensor.data.length === 1) return new Float64Array(size).fill(tensor.data[0]);
  return gather(tensor.data, offsetsOf(shape, broadcastStrides(tensor.shape, shape)));
}

/** `data[offsets[i]]` for each i. */
export function gather(data: Float64Array, offsets: Uint32Array): Float64Array {
  const gathered = new Float64Array(offsets.length);
  for (let i = 0; i < offsets.length; i++) gathered[i] = data[offsets[i]];
  return gathered;
}

export function product(dims: readonly number[]): number {
  let total = 1;
  for (const dim of dims) total *= dim;
  return total;
}
