/**
 * Sums over the columns of a matrix as products with a column of ones, for graphs that serve on the
 * CPU. ONNX Runtime adds a further term of each row in the same operation; otherwise each sum,
 * factor and offset of one number a row is an operation of its own, and those that stretch a number
 * over the rows of a single column take 13 ns a row.
 *
 * A chain is a product with a constant matrix, or a term that is gathered by ranking. Terms are
 * added to the innermost member of a chain, and factors go into its constants. An offset that all
 * rows have is added to that of a linear layer.
 */
import type { Graph } from "./graph.ts";
import { broadcastShapes, sameShape, staticDim } from "./shape.ts";
import type { ConstantValue, Value } from "./value.ts";

/** `Σ` over the columns of x, `[rows, width]` to `[rows, 1]`; undefined for other shapes. */
export function sumAsProduct(g: Graph, x: Value, axes: readonly number[]): Value | undefined {
  if (x.shape.length !== 2 || !sameShape(axes, [1])) return undefined;
  const width = staticDim(x.shape[1]);
  return g.matMul(x, g.constant(new Array<number>(width).fill(1), [width, 1]));
}

/** `a + b` where one of both is a chain; undefined where none is, or rows would be stretched. */
export function addToChain(g: Graph, a: Value, b: Value): Value | undefined {
  return offsetBy(g, a, b) ?? offsetBy(g, b, a) ?? added(g, a, b) ?? added(g, b, a);
}

/**
 * A linear layer with a further offset that is the same for all rows. It takes the place of the
 * layer, so a model that also reads the layer without this offset would compute both.
 */
function offsetBy(g: Graph, layer: Value, offset: Value): Value | undefined {
  if (layer.op !== "Linear") return undefined;
  const [x, w, b] = layer.inputs;
  const isSame = sameShape(offset.shape, [layer.shape[1]]) && sameShape(b.shape, offset.shape);
  return isSame ? g.linear(x, w, g.add(b, offset)) : undefined;
}

/** A chain with a further term; undefined where `chain` is none, or the sum is wider. */
function added(g: Graph, chain: Value, term: Value): Value | undefined {
  if (!sameShape(broadcastShapes(chain.shape, term.shape), chain.shape)) return undefined;
  if (chain.op === "GatherRows") {
    const [x, index] = chain.inputs;
    if (term.op === "GatherRows" && term.inputs[1] === index) {
      return g.gatherRows(g.add(x, term.inputs[0]), index);
    }
    return hasRows(term) ? undefined : g.gatherRows(g.add(x, term), index);
  }
  const product = constantProduct(chain);
  if (product === undefined) return undefined;
  const { x, matrix, offset } = product;
  if (offset !== undefined) return g.linear(x, matrix, g.add(offset, term));
  const isOffset = sameShape(term.shape, chain.shape) || sameShape(term.shape, [chain.shape[1]]);
  return isOffset ? g.linear(x, matrix, term) : undefined;
}

/** `factor · x` of a chain; undefined for other values. */
export function scaleChain(g: Graph, x: Value, factor: number): Value | undefined {
  if (x.op === "GatherRows") return g.gatherRows(g.scale(x.inputs[0], factor), x.inputs[1]);
  const product = constantProduct(x);
  if (product === undefined) return undefined;
  const { matrix: { data, shape }, offset } = product;
  const scaled = g.constant([...data.map((value) => factor * value)], shape);
  return offset === undefined
    ? g.matMul(product.x, scaled)
    : g.linear(product.x, scaled, g.scale(offset, factor));
}

/** `a - b` of a chain b; undefined for other values. */
export function subtractChain(g: Graph, a: Value, b: Value): Value | undefined {
  const isNarrower = !sameShape(broadcastShapes(a.shape, b.shape), b.shape);
  const negative = isNarrower ? undefined : scaleChain(g, b, -1);
  return negative && g.add(a, negative);
}

/** The parts of a product with a constant matrix. */
function constantProduct(value: Value): {
  readonly x: Value;
  readonly matrix: ConstantValue;
  readonly offset: Value | undefined;
} | undefined {
  if (value.op !== "MatMul" && value.op !== "Linear") return undefined;
  const [x, matrix, offset] = value.inputs;
  const isPlain = value.op === "Linear" ||
    !(value.attributes.transposeA || value.attributes.transposeB);
  return matrix.op === "Constant" && x.shape.length === 2 && isPlain
    ? { x, matrix, offset }
    : undefined;
}

/** Whether a value differs from row to row. */
function hasRows({ shape }: Value): boolean {
  return shape.some((dim) => typeof dim === "string");
}
