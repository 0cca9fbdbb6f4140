/**
 * Shapes whose dimensions may be symbols, resolved when a batch arrives.
 *
 * The number of examples stays the symbol "rows" from the model's definition to the ONNX file, so
 * one compiled graph serves every batch size. A symbol may have a factor ("50*rows": 50 history
 * items of each example in one matrix).
 */

/** A count, or a symbol with an optional factor: `16`, `"rows"`, `"50*rows"`. */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** The number of examples in a batch. */
export const ROWS = "rows";
/** The number of rankings whose rows are in a batch. */
export const RANKINGS = "rankings";

/**
 * The shapes of operands do not fit together: a mistake in a model's definition or in its sizes.
 */
export class ShapeError extends Error {
  override readonly name = "ShapeError";
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/**
 * The shape of an elementwise result: shapes are aligned at the last axis, and axes that are
 * missing or of size 1 stretch.
 *
 * @throws {ShapeError} When two axes differ and neither is 1.
 */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    throw new ShapeError(
      `Cannot broadcast ${formatShape(a)} with ${
        formatShape(b)
      }: axis ${axis} is ${left} and ${right}.`,
    );
  });
}

/**
 * Axes of `full` along which a value of shape `partial` was stretched; its gradient sums over them.
 */
export function stretchedAxes(partial: Shape, full: Shape): number[] {
  const missing = full.length - partial.length;
  return full.flatMap((dim, axis) =>
    axis < missing || (partial[axis - missing] === 1 && dim !== 1) ? [axis] : []
  );
}

/** The element count as text, factor × symbols in sorted order, so that equal counts are `===`. */
export function elementCount(shape: Shape): string {
  let factor = 1;
  const symbols: string[] = [];
  for (const dim of shape) {
    if (typeof dim === "number") factor *= dim;
    else {
      const { times, symbol } = parseDim(dim);
      factor *= times;
      symbols.push(symbol);
    }
  }
  return [factor, ...symbols.sort()].join("*");
}

/** Elements of a shape without symbols. */
export function staticSize(shape: Shape): number {
  return shape.reduce<number>((product, dim) => product * staticDim(dim), 1);
}

export function staticDim(dim: Dim): number {
  if (typeof dim === "number") return dim;
  throw new ShapeError(`Expected a fixed dimension, got the symbol "${dim}".`);
}

/** `times · dim`. */
export function multiplyDim(dim: Dim, times: number): Dim {
  if (typeof dim === "number") return dim * times;
  const parsed = parseDim(dim);
  const factor = parsed.times * times;
  return factor === 1 ? parsed.symbol : `${factor}*${parsed.symbol}`;
}

/** Replaces symbols by numbers. */
export function resolveShape(shape: Shape, symbols: Readonly<Record<string, number>>): number[] {
  return shape.map((dim) => {
    if (typeof dim === "number") return dim;
    const { times, symbol } = parseDim(dim);
    const value = symbols[symbol];
    if (value === undefined) throw new ShapeError(`No value for the dimension "${symbol}".`);
    return times * value;
  });
}

function parseDim(dim: string): { times: number; symbol: string } {
  const star = dim.indexOf("*");
  return star < 0
    ? { times: 1, symbol: dim }
    : { times: Number(dim.slice(0, star)), symbol: dim.slice(star + 1) };
}
