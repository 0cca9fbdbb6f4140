/**
 * Ops that move elements without changing them: reshapes, slices, concatenations.
 */
import {
  broadcastShapes,
  elementCount,
  formatShape,
  sameShape,
  ShapeError,
  staticDim,
} from "../graph/shape.ts";
import { FAN_MAX } from "../onnx/node_emitter.ts";
import type { OpTable } from "./op.ts";
import { broadcastStrides, gather, offsetsOf, product, stretch } from "./strides.ts";

type MovementName = "Reshape" | "Transpose" | "BroadcastTo" | "Concat" | "Slice" | "Pad";

export const movementOps: Pick<OpTable, MovementName> = {
  Reshape: {
    shape: ([x], { shape }) => {
      if (elementCount(x) === elementCount(shape)) return shape;
      throw new ShapeError(`Cannot reshape ${formatShape(x)} to ${formatShape(shape)}.`);
    },
    gradient: ({ inputs: [x] }, dY, g) => [g.reshape(dY, x.shape)], // dX = dY in X's shape
    evaluate: ([x]) => x.data,
    encode: (y, [x], emit) => {
      const dims = y.shape.map((dim) => typeof dim === "number" ? dim : -1);
      if (dims.filter((dim) => dim === -1).length > 1) {
        throw new ShapeError(`Cannot reshape to ${formatShape(y.shape)}: two unknown dimensions.`);
      }
      emit.result("Reshape", [x, emit.integers(dims)]);
    },
  },
  Transpose: {
    shape: ([x], { permutation }) => permutation.map((axis) => x[axis]),
    gradient: ({ attributes: { permutation } }, dY, g) => {
      const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
      return [g.transpose(dY, inverse)]; // dX = dY, permuted back
    },
    evaluate: ([x], { permutation }, shape) => {
      const strides = broadcastStrides(x.shape, x.shape);
      return gather(x.data, offsetsOf(shape, permutation.map((axis) => strides[axis])));
    },
    encode: (y, [x], emit) =>
      emit.result("Transpose", [x], { perm: [...y.attributes.permutation] }),
  },
  BroadcastTo: {
    shape: ([x], { shape }) => {
      if (sameShape(broadcastShapes(x, shape), shape)) return shape;
      throw new ShapeError(`Cannot stretch ${formatShape(x)} to ${formatShape(shape)}.`);
    },
    gradient: (_y, dY) => [dY], // dX = dY, summed over the stretched axes by the walk
    evaluate: ([x], _attributes, shape) => stretch(x, shape),
    encode: (y, [x], emit) => {
      const given = y.inputs[0].shape;
      const missing = y.shape.length - given.length;
      // ONNX's Expand broadcasts both operands, so 1 keeps a dimension that x already has, symbols
      // included.
      const asked = y.shape.map((dim, axis) => dim === given[axis - missing] ? 1 : dim);
      emit.result("Expand", [x, emit.shape(asked)]);
    },
  },
  Concat: {
    shape: (inputs, { axis }) => {
      const [first] = inputs;
      for (const other of inputs) {
        if (
          other.length !== first.length || other.some((dim, i) => i !== axis && dim !== first[i])
        ) {
          throw new ShapeError(
            `Cannot join ${inputs.map(formatShape).join(", ")} on axis ${axis}.`,
          );
        }
      }
      const total = inputs.reduce((sum, shape) => sum + staticDim(shape[axis]), 0);
      return first.map((dim, i) => i === axis ? total : dim);
    },
    gradient: ({ inputs, attributes: { axis } }, dY, g) => {
      let start = 0;
      return inputs.map((x) => {
        const end = start + staticDim(x.shape[axis]);
        const dX = g.slice(dY, axis, start, end); // dX = the part of dY that came from X
        start = end;
        return dX;
      });
    },
    evaluate: (inputs, { axis }, shape) => {
      const y = new Float64Array(product(shape));
      const rowSize = product(shape.slice(axis));
      let start = 0;
      for (const x of inputs) {
        const size = product(x.shape.slice(axis));
        for (let row = 0; row * size < x.data.length; row++) {
          y.set(x.data.subarray(row * size, (row + 1) * size), row * rowSize + start);
        }
        start += size;
      }
      return y;
    },
    encode: (y, inputs, emit) => {
      const { axis } = y.attributes;
      let parts = inputs;
      while (parts.length > FAN_MAX) {
        const groups = Array.from(
          { length: Math.ceil(parts.length / FAN_MAX) },
          (_, i) => parts.slice(i * FAN_MAX, (i + 1) * FAN_MAX),
        );
        parts = groups.map((group) =>
          group.length === 1 ? group[0] : emit.node("Concat", group, { axis })
        );
      }
      emit.result("Concat", parts, { axis });
    },
  },
  Slice: {
    shape: ([x], { axis, start, end }) => {
      if (start >= 0 && start < end && end <= staticDim(x[axis])) {
        return x.map((dim, i) => i === axis ? end - start : dim);
      }
      throw new ShapeError(`Cannot cut ${start}:${end} from axis ${axis} of ${formatShape(x)}.`);
    },
    gradient: ({ inputs: [x], attributes: { axis, start, end } }, dY, g) => [
      g.pad(dY, axis, start, staticDim(x.shape[axis]) - end), // dX = dY between zeros
    ],
    evaluate: ([x], { axis, start }, shape) => {
      const inner = product(shape.slice(axis + 1));
      const size = shape[axis] * inner, stride = x.shape[axis] * inner;
      const y = new Float64Array(product(shape));
      for (let row = 0; row * size < y.length; row++) {
        const from = row * stride + start * inner;
        y.set(x.data.subarray(from, from + size), row * size);
      }
      return y;
    },
    encode: (y, [x], emit) => {
      const { axis, start, end } = y.attributes;
      emit.result("Slice", [
        x,
        emit.integers([start]),
        emit.integers([end]),
        emit.integers([axis]),
      ]);
    },
  },
  Pad: {
    shape: ([x], { axis, before, after }) =>
      x.map((dim, i) => i === axis ? before + staticDim(dim) + after : dim),
    gradient: ({ inputs: [x], attributes: { axis, before } }, dY, g) => [
      g.slice(dY, axis, before, before + staticDim(x.shape[axis])), // dX = dY without the padding
    ],
    evaluate: ([x], { axis, before }, shape) => {
      const inner = product(shape.slice(axis + 1));
      const size = x.shape[axis] * inner, stride = shape[axis] * inner;
      const y = new Float64Array(product(shape));
      for (let row = 0; row * size < x.data.length; row++) {
        y.set(x.data.subarray(row * size, (row + 1) * size), row * stride + before * inner);
      }
      return y;
    },
    encode: (y, [x], emit) => {
      const { axis, before, after } = y.attributes;
      const pads = new Array<number>(2 * y.shape.length).fill(0);
      pads[axis] = before;
      pads[axis + y.shape.length] = after;
      emit.result("Pad", [x, emit.integers(pads)]);
    },
  },
};
