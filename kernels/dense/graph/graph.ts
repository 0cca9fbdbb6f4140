/**
 * The language in which models, losses and optimizers are written: each method adds a value to a
 * graph.
 *
 * The methods simplify where it costs one line: a broadcast moves behind elementwise ops (so that
 * the gradient of a sum stays small until it meets a full-sized operand), nested factors fold, a
 * transpose becomes a flag of the matrix product that uses it, a slice of a product becomes a
 * smaller product, and products and sums over columns that rows share are divided.
 */
import { invariant, present } from "../../../structures/invariant.ts";
import type { OpAttributes, OpName } from "../ops/op.ts";
import { ruleOf } from "../ops/table.ts";
import { type Axis, axisSize } from "./axis.ts";
import { addToChain, scaleChain, subtractChain, sumAsProduct } from "./row_sums.ts";
import {
  broadcastShapes,
  sameShape,
  type Shape,
  ShapeError,
  staticDim,
  staticSize,
  stretchedAxes,
} from "./shape.ts";
import { joinBehind, mapParts, pickedRows, productOfParts, sumOfParts } from "./shared_columns.ts";
import { uniformFactor, untransposed } from "./operands.ts";
import type {
  InputValue,
  ParameterInitializer,
  ParameterRows,
  ParameterValue,
  Value,
} from "./value.ts";

export class Graph {
  readonly #inputs: InputValue[] = [];
  readonly #parameters: ParameterValue[] = [];
  readonly #statistics: ParameterValue[] = [];
  readonly #parameterRows: ParameterRows[] = [];
  /** Names of inputs and parameters. */
  readonly #names = new Set<string>();
  readonly #sumsAreProducts: boolean;
  #nextId = 0;

  /** @param options.sumsAreProducts See row_sums.ts. Default: false. */
  constructor({ sumsAreProducts = false }: { readonly sumsAreProducts?: boolean } = {}) {
    this.#sumsAreProducts = sumsAreProducts;
  }

  get inputs(): readonly InputValue[] {
    return this.#inputs;
  }

  /** Parameters that gradients update, in the order of their definition. */
  get learned(): readonly ParameterValue[] {
    return this.#parameters;
  }

  /**
   * Parameters that training computes without gradients (running moments), in the order of their
   * definition.
   */
  get statistics(): readonly ParameterValue[] {
    return this.#statistics;
  }

  /** All parameters in the order of the matrix of weights: learned ones, then statistics. */
  get parameters(): readonly ParameterValue[] {
    return [...this.#parameters, ...this.#statistics];
  }

  /** Rows of parameters that are inputs of their own; not among {@link inputs}. */
  get parameterRows(): readonly ParameterRows[] {
    return this.#parameterRows;
  }

  input(name: string, shape: Shape): Value {
    const value = this.#newInput(name, shape);
    this.#inputs.push(value);
    return value;
  }

  /** @param axes Names of the indices along each axis. Default: unnamed. */
  parameter(
    name: string,
    shape: Shape,
    initializer: ParameterInitializer,
    axes: readonly Axis[] = [],
  ): Value {
    for (const [i, axis] of axes.entries()) {
      if (axis.length > 0 && axisSize(axis) !== shape[i]) {
        throw new ShapeError(
          `Axis ${i} of "${name}" has size ${shape[i]} and its entries add up to ${
            axisSize(axis)
          }.`,
        );
      }
    }
    return this.#keep(this.#parameters, { name, shape, initializer, axes });
  }

  /**
   * A parameter that training computes (a running moment): neither gradients nor weight decay
   * change it.
   */
  statistic(name: string, shape: Shape, initializer: ParameterInitializer): ParameterValue {
    return this.#keep(this.#statistics, { name, shape, initializer, axes: [] });
  }

  constant(data: readonly number[] | number, shape: Shape = []): Value {
    const values = Float64Array.from(typeof data === "number" ? [data] : data);
    if (values.length !== staticSize(shape)) {
      throw new ShapeError(`A constant of ${values.length} values cannot have shape [${shape}].`);
    }
    return { id: this.#nextId++, op: "Constant", shape, data: values };
  }

  add = (a: Value, b: Value): Value =>
    this.#asProduct(() => addToChain(this, a, b)) ?? this.#apply("Add", [a, b], {});
  subtract = (a: Value, b: Value): Value =>
    this.#asProduct(() => subtractChain(this, a, b)) ?? this.#apply("Subtract", [a, b], {});
  divide = (a: Value, b: Value) => this.#apply("Divide", [a, b], {});
  minimum = (a: Value, b: Value) => this.#apply("Minimum", [a, b], {});

  multiply(a: Value, b: Value): Value {
    const factorA = uniformFactor(a), factorB = uniformFactor(b);
    const shape = broadcastShapes(a.shape, b.shape);
    if (factorB !== undefined) return this.broadcastTo(this.scale(a, factorB), shape);
    if (factorA !== undefined) return this.broadcastTo(this.scale(b, factorA), shape);
    return this.#apply("Multiply", [a, b], {});
  }

  scale(x: Value, factor: number): Value {
    if (factor === 1) return x;
    if (x.op === "Scale") return this.scale(x.inputs[0], factor * x.attributes.factor);
    if (x.op === "BroadcastTo") return this.broadcastTo(this.scale(x.inputs[0], factor), x.shape);
    return this.#asProduct(() => scaleChain(this, x, factor)) ??
      this.#apply("Scale", [x], { factor });
  }

  /** A form for sums as products, where this graph has these. */
  #asProduct(form: () => Value | undefined): Value | undefined {
    return this.#sumsAreProducts ? form() : undefined;
  }

  shift = (x: Value, offset: number) => this.#apply("Shift", [x], { offset });
  square = (x: Value): Value =>
    mapParts(this, x, (part) => this.square(part)) ?? this.#apply("Square", [x], {});
  squareRoot = (x: Value) => this.#apply("SquareRoot", [x], {});
  exp = (x: Value) => this.#apply("Exp", [x], {});
  log = (x: Value) => this.#apply("Log", [x], {});
  relu = (x: Value) => this.#apply("Relu", [x], {});
  sigmoid = (x: Value) => this.#apply("Sigmoid", [x], {});
  softmax = (x: Value) => this.#apply("Softmax", [x], {});
  /** Greatest value over the last axis, which remains with size 1; without a gradient. */
  lastAxisMax = (x: Value) => this.#apply("LastAxisMax", [x], {});
  /** `where(x > 0, y, 0)` */
  passPositive = (x: Value, y: Value) => this.#apply("PassPositive", [x, y], {});
  sigmoidCrossEntropy = (logit: Value, label: Value) =>
    this.#apply("SigmoidCrossEntropy", [logit, label], {});

  matMul(a: Value, b: Value): Value {
    const left = untransposed(a), right = untransposed(b);
    return productOfParts(this, a, b) ?? this.#apply("MatMul", [left ?? a, right ?? b], {
      transposeA: left !== undefined,
      transposeB: right !== undefined,
    });
  }

  /** `X · W + b` */
  linear = (x: Value, w: Value, b: Value): Value =>
    productOfParts(this, x, w, b) ?? this.#apply("Linear", [x, w, b], {});

  /** Sums over `axes`, which remain with size 1. */
  reduceSum(x: Value, axes: readonly number[]): Value {
    if (axes.length === 0) return x;
    const ofColumns = axes.length === 1 && axes[0] === 1
      ? sumOfParts(this, x, (part) => this.reduceSum(part, axes))
      : undefined;
    return ofColumns ?? this.#asProduct(() => sumAsProduct(this, x, axes)) ??
      this.#apply("ReduceSum", [x], { axes });
  }

  /** Sums the squares over `axes`, which remain with size 1. */
  reduceSumSquare = (x: Value, axes: readonly number[]) =>
    this.#apply("ReduceSumSquare", [x], { axes });

  reshape(x: Value, shape: Shape): Value {
    if (sameShape(x.shape, shape)) return x;
    if (x.op === "Reshape") return this.reshape(x.inputs[0], shape);
    return this.#apply("Reshape", [x], { shape });
  }

  transpose = (x: Value, permutation: readonly number[]) =>
    this.#apply("Transpose", [x], { permutation });

  /** Exchanges the last two axes. */
  transposeLast(x: Value): Value {
    const original = untransposed(x);
    if (original !== undefined) return original;
    const axes = [...x.shape.keys()];
    const message = "x has two axes or more";
    const last = present(axes.at(-1), message), secondLast = present(axes.at(-2), message);
    return this.transpose(x, [...axes.slice(0, -2), last, secondLast]);
  }

  broadcastTo(x: Value, shape: Shape): Value {
    if (sameShape(x.shape, shape)) return x;
    return this.#apply("BroadcastTo", [x.op === "BroadcastTo" ? x.inputs[0] : x], { shape });
  }

  /** Sums a gradient over the axes along which a value of `shape` was stretched. */
  sumTo(x: Value, shape: Shape): Value {
    return this.reshape(this.reduceSum(x, stretchedAxes(shape, x.shape)), shape);
  }

  concat(inputs: readonly Value[], axis: number): Value {
    if (inputs.length === 1) return inputs[0];
    return joinBehind(this, inputs, axis) ?? this.#apply("Concat", inputs, { axis });
  }

  slice(x: Value, axis: number, start: number, end: number): Value {
    if (start === 0 && end === x.shape[axis]) return x;
    if (x.op === "MatMul" && axis === x.shape.length - 1 && axis === 1) {
      // Columns of A · B are A · (columns of B): computing only those costs less.
      const { inputs: [a, b], attributes } = x;
      const columns = this.slice(b, attributes.transposeB ? 0 : 1, start, end);
      return this.#apply("MatMul", [a, columns], attributes);
    }
    return this.#apply("Slice", [x], { axis, start, end });
  }

  pad(x: Value, axis: number, before: number, after: number): Value {
    return before + after === 0 ? x : this.#apply("Pad", [x], { axis, before, after });
  }

  selectColumns = (x: Value, indices: readonly number[]) =>
    this.#apply("SelectColumns", [x], { indices });

  /** Row `index[i]` of x for each i; without a gradient. */
  gatherRows = (x: Value, index: Value) => this.#apply("GatherRows", [x, index], {});

  /**
   * Rows of a constant, or of a parameter: those are an input that the session cuts from the
   * weights, named for the parameter and `part`.
   */
  selectRows(matrix: Value, part: string, rows: readonly number[]): Value {
    const shape = [rows.length, staticDim(matrix.shape[1])];
    if (matrix.op === "Constant") {
      return this.constant([...pickedRows(matrix.data, shape[1], rows)], shape);
    }
    invariant(matrix.op === "Parameter", "rows are selected of a constant or of a parameter");
    const input = this.#newInput(`${matrix.name}/${part}`, shape);
    this.#parameterRows.push({ input, of: matrix.name, rows });
    return input;
  }

  #apply<Name extends OpName>(
    op: Name,
    inputs: readonly Value[],
    attributes: OpAttributes[Name],
  ): Value {
    const rule = ruleOf(op);
    const shape = rule.shape(inputs.map((input) => input.shape), attributes);
    if (rule.elementwise && inputs.some((input) => input.op === "BroadcastTo")) {
      const small = inputs.map((input) => input.op === "BroadcastTo" ? input.inputs[0] : input);
      return this.broadcastTo(this.#apply(op, small, attributes), shape);
    }
    return {
      id: this.#nextId++,
      op,
      inputs,
      attributes,
      shape,
    } as unknown as Value;
  }

  #newInput(name: string, shape: Shape): InputValue {
    this.#takeName(name);
    return { id: this.#nextId++, op: "Input", name, shape };
  }

  #keep(list: ParameterValue[], parameter: Omit<ParameterValue, "id" | "op">): ParameterValue {
    this.#takeName(parameter.name);
    staticSize(parameter.shape);
    const value: ParameterValue = { ...parameter, id: this.#nextId++, op: "Parameter" };
    list.push(value);
    return value;
  }

  #takeName(name: string): void {
    if (!this.#names.has(name)) this.#names.add(name);
    else throw new ShapeError(`The graph already has an input or parameter "${name}".`);
  }
}
