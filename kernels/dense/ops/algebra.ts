/**
 * Ops whose results combine several elements: matrix products, sums, greatest values and softmax.
 */
import { present } from "../../../structures/invariant.ts";
import { formatShape, sameShape, type Shape, ShapeError } from "../graph/shape.ts";
import type { OpTable, ReferenceTensor } from "./op.ts";
import { broadcastStrides, offsetsOf, product } from "./strides.ts";

type AlgebraName =
  | "MatMul"
  | "Linear"
  | "Softmax"
  | "LastAxisMax"
  | "ReduceSum"
  | "ReduceSumSquare";

export const algebraOps: Pick<OpTable, AlgebraName> = {
  MatMul: {
    shape: ([a, b], { transposeA, transposeB }) => {
      const [m, inner] = lastTwo(a, transposeA), [innerB, n] = lastTwo(b, transposeB);
      const leading = a.slice(0, -2);
      const fits = a.length === b.length && leading.every((dim, axis) => dim === b[axis]) &&
        inner === innerB;
      if (!fits) throw new ShapeError(`Cannot multiply ${formatShape(a)} with ${formatShape(b)}.`);
      return [...leading, m, n];
    },
    gradient: ({ inputs: [a, b], attributes: { transposeA, transposeB } }, dY, g) => {
      const A = transposeA ? g.transposeLast(a) : a, B = transposeB ? g.transposeLast(b) : b;
      const dA = g.matMul(dY, g.transposeLast(B)); // dA = dY · Bᵀ
      const dB = g.matMul(g.transposeLast(A), dY); // dB = Aᵀ · dY
      return [transposeA ? g.transposeLast(dA) : dA, transposeB ? g.transposeLast(dB) : dB];
    },
    evaluate: ([a, b], { transposeA, transposeB }, shape) => {
      const [m, n] = shape.slice(-2);
      const inner = a.shape[a.shape.length - (transposeA ? 2 : 1)];
      const matrices = product(shape.slice(0, -2));
      const y = new Float64Array(matrices * m * n);
      for (let matrix = 0; matrix < matrices; matrix++) {
        const left = a.data.subarray(matrix * m * inner, (matrix + 1) * m * inner);
        const right = b.data.subarray(matrix * inner * n, (matrix + 1) * inner * n);
        const out = y.subarray(matrix * m * n, (matrix + 1) * m * n);
        for (let i = 0; i < m; i++) {
          for (let k = 0; k < inner; k++) {
            const factor = transposeA ? left[k * m + i] : left[i * inner + k];
            for (let j = 0; j < n; j++) {
              out[i * n + j] += factor * (transposeB ? right[j * inner + k] : right[k * n + j]);
            }
          }
        }
      }
      return y;
    },
    encode: (y, [a, b], emit) => {
      const { transposeA, transposeB } = y.attributes;
      if (y.shape.length === 2 && (transposeA || transposeB)) {
        return emit.result("Gemm", [a, b], {
          transA: Number(transposeA),
          transB: Number(transposeB),
        });
      }
      const rank = y.shape.length;
      const perm = [...Array(rank).keys()].map((axis) =>
        axis < rank - 2 ? axis : 2 * rank - 3 - axis
      );
      const left = transposeA ? emit.node("Transpose", [a], { perm }) : a;
      const right = transposeB ? emit.node("Transpose", [b], { perm }) : b;
      emit.result("MatMul", [left, right]);
    },
  },
  Linear: {
    shape: ([x, w, b]) => {
      const shape = [x[0], w[1]];
      const fits = x.length === 2 && w.length === 2 && x[1] === w[0] &&
        (sameShape(b, shape) || sameShape(b, [w[1]]));
      if (!fits) {
        throw new ShapeError(
          `A linear layer cannot take X ${formatShape(x)}, W ${formatShape(w)}, b ${
            formatShape(b)
          }.`,
        );
      }
      return shape;
    },
    gradient: ({ inputs: [x, w] }, dY, g) => [
      g.matMul(dY, g.transposeLast(w)), // dX = dY · Wᵀ
      g.matMul(g.transposeLast(x), dY), // dW = Xᵀ · dY
      dY, // db = dY, for b of shape [out] summed over the rows by the walk
    ],
    evaluate: ([x, w, b], _attributes, [rows, columns]) => {
      const inner = w.shape[0];
      const y = new Float64Array(rows * columns);
      for (let row = 0; row < rows; row++) {
        const out = y.subarray(row * columns, (row + 1) * columns);
        const first = b.shape.length === 1 ? 0 : row * columns;
        out.set(b.data.subarray(first, first + columns));
        for (let k = 0; k < inner; k++) {
          const factor = x.data[row * inner + k];
          for (let column = 0; column < columns; column++) {
            out[column] += factor * w.data[k * columns + column];
          }
        }
      }
      return y;
    },
    encode: (_y, inputs, emit) => emit.result("Gemm", inputs),
  },
  Softmax: {
    shape: ([x]) => x,
    gradient: (y, dY, g) => {
      const weighted = g.multiply(dY, y);
      const total = g.reduceSum(weighted, [y.shape.length - 1]);
      return [g.subtract(weighted, g.multiply(total, y))]; // dX = Y ∘ (dY - Σ dY ∘ Y)
    },
    evaluate: ([x]) => {
      const width = present(x.shape.at(-1), "softmax has an axis to normalise over");
      const y = new Float64Array(x.data.length);
      for (let start = 0; start < y.length; start += width) {
        const row = x.data.subarray(start, start + width);
        const max = row.reduce((a, b) => Math.max(a, b));
        const exps = row.map((value) => Math.exp(value - max));
        const total = exps.reduce((a, b) => a + b);
        y.set(exps.map((value) => value / total), start);
      }
      return y;
    },
    encode: (_y, inputs, emit) => emit.result("Softmax", inputs, { axis: -1 }),
  },
  LastAxisMax: {
    shape: ([x]) => [...x.slice(0, -1), 1],
    gradient: () => [undefined],
    evaluate: ([{ shape, data }]) => {
      const width = present(shape.at(-1), "a greatest value has an axis to be found over");
      const y = new Float64Array(data.length / width);
      for (let i = 0; i < y.length; i++) {
        y[i] = data.subarray(i * width, (i + 1) * width).reduce((a, b) => Math.max(a, b));
      }
      return y;
    },
    encode: (y, [x], emit) => emit.result("ReduceMax", [x, emit.integers([y.shape.length - 1])]),
  },
  ReduceSum: {
    shape: ([x], { axes }) => x.map((dim, axis) => axes.includes(axis) ? 1 : dim),
    gradient: ({ inputs: [x] }, dY, g) => [g.broadcastTo(dY, x.shape)], // dX = dY, stretched
    evaluate: ([x], _attributes, shape) => sumTo(x, shape),
    encode: (y, [x], emit) => emit.result("ReduceSum", [x, emit.integers(y.attributes.axes)]),
  },
  ReduceSumSquare: {
    shape: ([x], { axes }) => x.map((dim, axis) => axes.includes(axis) ? 1 : dim),
    gradient: ({ inputs: [x] }, dY, g) => [g.multiply(g.scale(dY, 2), x)], // dX = 2 dY ∘ X
    evaluate: ([{ shape, data }], _attributes, target) =>
      sumTo({ shape, data: squares(data) }, target),
    encode: (y, [x], emit) => emit.result("ReduceSumSquare", [x, emit.integers(y.attributes.axes)]),
  },
};

function squares(data: Float64Array): Float64Array {
  const y = new Float64Array(data.length);
  for (let i = 0; i < y.length; i++) y[i] = data[i] * data[i];
  return y;
}

function sumTo(x: ReferenceTensor, shape: readonly number[]): Float64Array {
  const y = new Float64Array(product(shape));
  const offsets = offsetsOf(x.shape, broadcastStrides(shape, x.shape));
  for (let i = 0; i < offsets.length; i++) y[offsets[i]] += x.data[i];
  return y;
}

function lastTwo(shape: Shape, transposed: boolean): Shape {
  if (shape.length < 2) throw new ShapeError(`A matrix product cannot take ${formatShape(shape)}.`);
  const pair = shape.slice(-2);
  return transposed ? pair.reverse() : pair;
}
