/**
 * Ops that select elements by constant indices.
 */
import { formatShape, ShapeError, staticDim } from "../graph/shape.ts";
import type { OpTable } from "./op.ts";

export const indexingOps: Pick<OpTable, "SelectColumns"> = {
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
};
