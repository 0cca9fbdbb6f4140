/**
 * Ops that compute each element independently. Operands broadcast; the gradient walk sums over
 * stretched axes, so the rules here need not.
 */
import { broadcastShapes, type Shape } from "../graph/shape.ts";
import type { Graph } from "../graph/graph.ts";
import type { Value } from "../graph/value.ts";
import type { OpName, OpRule, OpTable } from "./op.ts";
import { stretch } from "./strides.ts";

type ElementwiseName =
  | "Add"
  | "Subtract"
  | "Multiply"
  | "Divide"
  | "Minimum"
  | "Scale"
  | "Shift"
  | "Square"
  | "SquareRoot"
  | "Exp"
  | "Log"
  | "Relu"
  | "Sigmoid"
  | "PassPositive"
  | "SigmoidCrossEntropy";

const sigmoid = (x: number) => x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));

export const elementwiseOps: Pick<OpTable, ElementwiseName> = {
  Add: binary((a, b) => a + b, "Add", (_a, _b, _y, dY) => [
    dY, // dA = dY
    dY, // dB = dY
  ]),
  Subtract: binary((a, b) => a - b, "Sub", (_a, _b, _y, dY, g) => [
    dY, // dA = dY
    g.scale(dY, -1), // dB = -dY
  ]),
  Multiply: binary((a, b) => a * b, "Mul", (a, b, _y, dY, g) => [
    g.multiply(dY, b), // dA = dY ∘ B
    g.multiply(dY, a), // dB = dY ∘ A
  ]),
  Divide: binary((a, b) => a / b, "Div", (_a, b, y, dY, g) => [
    g.divide(dY, b), // dA = dY / B
    g.scale(g.divide(g.multiply(dY, y), b), -1), // dB = -dY ∘ Y / B
  ]),
  Minimum: binary(Math.min, "Min", (a, b, _y, dY, g) => [
    g.passPositive(g.subtract(b, a), dY), // dA = dY where A < B
    g.passPositive(g.subtract(a, b), dY), // dB = dY where B < A
  ]),
  Scale: {
    shape: ([x]) => x,
    gradient: (y, dY, g) => [g.scale(dY, y.attributes.factor)], // dX = factor · dY
    evaluate: ([{ data }], { factor }) => {
      const y = new Float64Array(data.length);
      for (let i = 0; i < y.length; i++) y[i] = factor * data[i];
      return y;
    },
    encode: (y, [x], emit) => emit.result("Mul", [x, emit.scalar(y.attributes.factor, y)]),
    elementwise: true,
  },
  Shift: {
    shape: ([x]) => x,
    gradient: (_y, dY) => [dY], // dX = dY
    evaluate: ([{ data }], { offset }) => {
      const y = new Float64Array(data.length);
      for (let i = 0; i < y.length; i++) y[i] = data[i] + offset;
      return y;
    },
    encode: (y, [x], emit) => emit.result("Add", [x, emit.scalar(y.attributes.offset, y)]),
    elementwise: true,
  },
  Square: {
    shape: ([x]) => x,
    gradient: ({ inputs: [x] }, dY, g) => [g.multiply(g.scale(dY, 2), x)], // dX = 2 dY ∘ X
    evaluate: ([{ data }]) => {
      const y = new Float64Array(data.length);
      for (let i = 0; i < y.length; i++) y[i] = data[i] * data[i];
      return y;
    },
    encode: (_y, [x], emit) => emit.result("Mul", [x, x]),
    elementwise: true,
  },
  SquareRoot: unary(
    Math.sqrt,
    "Sqrt",
    (_x, y, dY, g) => g.divide(g.scale(dY, 0.5), y), // dX = dY / 2Y
  ),
  Exp: unary(Math.exp, "Exp", (_x, y, dY, g) => g.multiply(dY, y)), // dX = dY ∘ Y
  Log: unary(Math.log, "Log", (x, _y, dY, g) => g.divide(dY, x)), // dX = dY / X
  Relu: unary(
    (x) => Math.max(x, 0),
    "Relu",
    (_x, y, dY, g) => g.passPositive(y, dY), // dX = dY where Y > 0
  ),
  Sigmoid: unary(
    sigmoid,
    "Sigmoid",
    (_x, y, dY, g) => g.multiply(dY, g.subtract(y, g.square(y))), // dX = dY ∘ (Y - Y²)
  ),
  PassPositive: {
    ...binary((x, y) => x > 0 ? y : 0, "", (x, _y, _out, dOut, g) => [
      undefined, // dX = 0 on both sides of x = 0
      g.passPositive(x, dOut), // dY = dOut where X > 0
    ]),
    // On the CPU, ONNX Runtime's Where is slower than a cast and a product.
    encode: ({ inputs: [of] }, [x, y], emit) => {
      const positive = emit.node("Greater", [x, emit.scalar(0, of)]);
      emit.result("Mul", [emit.node("Cast", [positive], { to: "float32" }), y]);
    },
  },
  SigmoidCrossEntropy: {
    ...binary(
      (z, y) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - z * y,
      "",
      (z, y, _out, dOut, g) => [
        g.multiply(g.subtract(g.sigmoid(z), y), dOut), // dZ = dOut ∘ (σ(Z) - Y)
        g.scale(g.multiply(z, dOut), -1), // dY = -dOut ∘ Z
      ],
    ),
    encode: (_y, [z, y], emit) =>
      emit.result("Sub", [emit.node("Softplus", [z]), emit.node("Mul", [z, y])]),
  },
};

function unary<Name extends OpName>(
  f: (x: number) => number,
  onnx: string,
  gradient: (x: Value, y: Value, dY: Value, g: Graph) => Value,
): OpRule<Name> {
  return {
    shape: ([x]) => x,
    gradient: (y, dY, g) => [gradient(y.inputs[0], y as Value, dY, g)],
    evaluate: ([{ data }]) => {
      const y = new Float64Array(data.length);
      for (let i = 0; i < y.length; i++) y[i] = f(data[i]);
      return y;
    },
    encode: (_y, inputs, emit) => emit.result(onnx, inputs),
    elementwise: true,
  };
}

function binary<Name extends OpName>(
  f: (a: number, b: number) => number,
  onnx: string,
  gradient: (a: Value, b: Value, y: Value, dY: Value, g: Graph) => readonly (Value | undefined)[],
): OpRule<Name> {
  return {
    shape: ([a, b]: readonly Shape[]) => broadcastShapes(a, b),
    gradient: (y, dY, g) => gradient(y.inputs[0], y.inputs[1], y as Value, dY, g),
    evaluate: ([a, b], _attributes, shape) => {
      const left = stretch(a, shape), right = stretch(b, shape);
      const y = new Float64Array(left.length);
      for (let i = 0; i < y.length; i++) y[i] = f(left[i], right[i]);
      return y;
    },
    encode: (_y, inputs, emit) => emit.result(onnx, inputs),
    elementwise: true,
  };
}
