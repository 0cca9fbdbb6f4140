/**
 * Ops that pick elements by index: constant columns, and rows by indices that come with the batch.
 */
import { formatShape, sameShape, ShapeError, staticDim } from "../graph/shape.ts";
import type { OpTable } from "./op.ts";

type IndexingName = "SelectColumns" | "GatherRows" | "ScatterAddRows";

export const indexingOps: Pick<OpTable, IndexingName> = {
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
      return [g.selectColumns(dY, columns.map((column) => indices.indexOf(column)))]; // dX = dY put back, 0 elsewhere
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
      // The column after the last one is zeros, for the indices that ask for none.
      const source = indices.includes(-1) ? emit.node("Pad", [x, emit.integers([0, 0, 0, 1])]) : x;
      const columns = indices.map((column) => column < 0 ? width : column);
      emit.result("Gather", [source, emit.integers(columns)], { axis: 1 });
    },
  },
  GatherRows: {
    shape: ([table, indices]) => {
      if (table.length === 2) return [...indices, table[1]];
      throw new ShapeError(`Cannot gather rows of ${formatShape(table)}: it is no matrix.`);
    },
    gradient: ({ inputs: [table, indices] }, dY, g) => [
      g.scatterAddRows(indices, dY, table), // dTable[r] = Σ dY[i] over i with indices[i] = r
      undefined,
    ],
    evaluate: ([table, indices]) => {
      const width = table.shape[1];
      const y = new Float64Array(indices.data.length * width);
      indices.data.forEach((row, i) =>
        y.set(table.data.subarray(row * width, (row + 1) * width), i * width)
      );
      return y;
    },
    encode: (_y, inputs, emit) => emit.result("Gather", inputs, { axis: 0 }),
  },
  ScatterAddRows: {
    shape: ([indices, updates, like]) => {
      if (sameShape([...indices, like[1]], updates) && like.length === 2) return like;
      throw new ShapeError(
        `Cannot add ${formatShape(updates)} at ${formatShape(indices)} into ${formatShape(like)}.`,
      );
    },
    gradient: ({ inputs: [indices] }, dY, g) => [
      undefined,
      g.gatherRows(dY, indices), // dUpdates[i] = dY[indices[i]]
      undefined,
    ],
    evaluate: ([indices, updates, like]) => {
      const width = like.shape[1];
      const y = new Float64Array(like.data.length);
      indices.data.forEach((row, i) => {
        for (let column = 0; column < width; column++) {
          y[row * width + column] += updates.data[i * width + column];
        }
      });
      return y;
    },
    encode: ({ inputs }, [indices, updates, like], emit) => {
      // ScatterND wants int64 positions with a last axis of one index into the rows.
      const positions = emit.node("Unsqueeze", [
        emit.node("Cast", [indices], { to: "int64" }),
        emit.integers([inputs[0].shape.length]),
      ]);
      const zeros = emit.node("Mul", [like, emit.scalar(0)]);
      emit.result("ScatterND", [zeros, positions, updates], { reduction: "add" });
    },
  },
};
