/**
 * Ops that select columns by constant indices, and rows by indices that are an input.
 */
import { formatShape, ShapeError, staticDim } from "../graph/shape.ts";
import type { OpTable } from "./op.ts";

export const indexingOps: Pick<OpTable, "SelectColumns" | "GatherRows"> = {
  SelectColumns: {
    shape: ([x], { indices }) => {
      const fits = x.length === 2 && indices.every((column) => column < staticDim(x[1])) &&
        new Set(indices.filter((column) => column >= 0)).size ===
          indices.filter((column) => column >= 0).length;
      if (fits) return [x[0], indices.length];
      throw new ShapeError(`Cannot select columns ${indices.join(", ")} of ${formatShape(x)}.`);
    },
    gradient: ({ inputs: [x], attributes: { indices } }, dY, g) => {
      const columns = [...Array(staticDim(x.shape[1])).keys()];
      // dX = dY at the selected columns, 0 elsewhere
      return [g.selectColumns(dY, columns.map((column) => indices.indexOf(column)))];
    },
    evaluate: ([x], { indices }, [rows, width]) => {
      const y = new Float64Array(rows * width);
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < width; i++) {
          if (indices[i] >= 0) y[row * width + i] = x.data[row * x.shape[1] + indices[i]];
        }
      }
      return y;
    },
    encode: (y, [x], emit) => {
      const width = staticDim(y.inputs[0].shape[1]);
      const { indices } = y.attributes;
      // Index -1 reads a column of zeros, appended after the last one.
      const source = indices.includes(-1) ? emit.node("Pad", [x, emit.integers([0, 0, 0, 1])]) : x;
      const columns = indices.map((column) => column < 0 ? width : column);
      emit.result("Gather", [source, emit.integers(columns)], { axis: 1 });
    },
  },
  GatherRows: {
    shape: ([x, index]) => {
      if (x.length === 2 && index.length === 1) return [index[0], x[1]];
      throw new ShapeError(`Cannot gather rows ${formatShape(index)} of ${formatShape(x)}.`);
    },
    gradient: () => [undefined, undefined],
    evaluate: ([x, index], _attributes, [rows, width]) => {
      const y = new Float64Array(rows * width);
      for (let row = 0; row < rows; row++) {
        const from = index.data[row] * width;
        y.set(x.data.subarray(from, from + width), row * width);
      }
      return y;
    },
    encode: (_y, [x, index], emit) => {
      const indices = emit.node("Cast", [index], { to: "int64" });
      emit.result("Gather", [x, indices], { axis: 0 });
    },
  },
};
