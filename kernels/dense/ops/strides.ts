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

/**
 * Calls `visit(position, offset)` for each element of `shape` in row-major order; `strides` give
 * the offset.
 */
export function forEachOffset(
  shape: readonly number[],
  strides: readonly number[],
  visit: (position: number, offset: number) => void,
): void {
  const size = product(shape);
  const index = new Array<number>(shape.length).fill(0);
  let offset = 0;
  for (let position = 0; position < size; position++) {
    visit(position, offset);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/** The tensor's elements, repeated to fill `shape`. */
export function stretch(tensor: ReferenceTensor, shape: readonly number[]): Float64Array {
  const size = product(shape);
  if (tensor.data.length === size) return tensor.data;
  if (tensor.data.length === 1) return new Float64Array(size).fill(tensor.data[0]);
  const stretched = new Float64Array(size);
  forEachOffset(shape, broadcastStrides(tensor.shape, shape), (position, offset) => {
    stretched[position] = tensor.data[offset];
  });
  return stretched;
}

export function product(dims: readonly number[]): number {
  return dims.reduce((total, dim) => total * dim, 1);
}
