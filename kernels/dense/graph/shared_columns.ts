/**
 * Matrices with columns that several rows share: the values of user and context in the rows of one
 * ranking. Products and sums over such columns are computed once for each ranking, and the results
 * are gathered by row.
 *
 * Such a matrix is `SelectColumns(Concat(own, GatherRows(shared, index)))`. The graph's methods
 * recognise it and divide what they add; an op without a rule here reads the whole matrix, which is
 * right and costs a copy.
 */
import type { Graph } from "./graph.ts";
import { ShapeError, staticDim } from "./shape.ts";
import type { Value } from "./value.ts";

/** The parts of a matrix of shape `[rows, own + shared]`. */
export interface SharedColumns {
  /** Columns with a value for each row. Shape `[rows, own]`. */
  readonly own: Value;
  /** Columns with a value for each ranking. Shape `[rankings, shared]`. */
  readonly shared: Value;
  /** Number of each row's ranking. Shape `[rows]`. */
  readonly index: Value;
  /** The columns of the matrix: c is column c of `own`, and own + c is column c of `shared`. */
  readonly columns: readonly number[];
}

/** The matrix of its parts. */
export function joinColumns(g: Graph, parts: SharedColumns): Value {
  const { own, shared, index, columns } = parts;
  return g.selectColumns(g.concat([own, g.gatherRows(shared, index)], 1), columns);
}

/** The parts of a matrix that {@link joinColumns} has made; undefined for other values. */
export function sharedColumnsOf(x: Value): SharedColumns | undefined {
  if (x.op !== "SelectColumns") return undefined;
  const [joined] = x.inputs;
  if (joined.op !== "Concat" || joined.inputs.length !== 2) return undefined;
  const [own, gathered] = joined.inputs;
  if (gathered.op !== "GatherRows") return undefined;
  const [shared, index] = gathered.inputs;
  return { own, shared, index, columns: x.attributes.indices };
}

/** `x · w + b` of such a matrix; undefined where it cannot be divided. `b` may be left out. */
export function productOfParts(g: Graph, x: Value, w: Value, b?: Value): Value | undefined {
  const parts = sharedColumnsOf(x);
  const isDivisible = w.op === "Constant" || w.op === "Parameter";
  if (parts === undefined || !isDivisible || w.shape.length !== 2) return undefined;
  const { own, shared, index, columns } = parts;
  const ownWidth = staticDim(own.shape[1]);
  const rows = (first: number, part: Value) =>
    Array.from({ length: staticDim(part.shape[1]) }, (_, c) => columns.indexOf(first + c));
  const ofShared = g.selectRows(w, "shared", rows(ownWidth, shared));
  const once = b === undefined ? g.matMul(shared, ofShared) : g.linear(shared, ofShared, b);
  return g.linear(own, g.selectRows(w, "own", rows(0, own)), g.gatherRows(once, index));
}

/** `f` of both parts; `f` takes each element by itself. */
export function mapParts(g: Graph, x: Value, f: (part: Value) => Value): Value | undefined {
  const parts = sharedColumnsOf(x);
  return parts && joinColumns(g, { ...parts, own: f(parts.own), shared: f(parts.shared) });
}

/**
 * The sum of `sum` of both parts, where `sum` adds up columns of `[rows, width]` in any order.
 */
export function sumOfParts(g: Graph, x: Value, sum: (part: Value) => Value): Value | undefined {
  const parts = sharedColumnsOf(x);
  return parts && g.add(sum(parts.own), g.gatherRows(sum(parts.shared), parts.index));
}

/** A matrix of both kinds of columns, with further columns of each row behind; else undefined. */
export function joinBehind(g: Graph, inputs: readonly Value[], axis: number): Value | undefined {
  const [x, more] = inputs;
  const parts = inputs.length === 2 && axis === 1 ? sharedColumnsOf(x) : undefined;
  if (parts === undefined) return undefined;
  const [before, added] = [parts.own, more].map(({ shape }) => staticDim(shape[1]));
  return joinColumns(g, {
    ...parts,
    own: g.concat([parts.own, more], 1),
    columns: [
      ...parts.columns.map((column) => column < before ? column : column + added),
      ...Array.from({ length: added }, (_, c) => before + c),
    ],
  });
}

/** Elements of some rows of a matrix `[n, width]`. */
export function pickedRows<A extends Float32Array | Float64Array>(
  data: A,
  width: number,
  rows: readonly number[],
): A {
  const picked = new (data.constructor as new (length: number) => A)(rows.length * width);
  rows.forEach((row, i) => {
    if (row < 0) throw new ShapeError(`A matrix has no row ${row}.`);
    picked.set(data.subarray(row * width, (row + 1) * width), i * width);
  });
  return picked;
}
