/**
 * Every op of the table: its gradient against finite differences, its ONNX encoding against the
 * reference evaluator.
 */
import assert from "node:assert/strict";
import { evaluate } from "../../../../kernels/dense/graph/evaluate.ts";
import { Graph } from "../../../../kernels/dense/graph/graph.ts";
import { resolveShape } from "../../../../kernels/dense/graph/shape.ts";
import type { Shape } from "../../../../kernels/dense/graph/shape.ts";
import type { InputValue, Value } from "../../../../kernels/dense/graph/value.ts";
import type { OpName } from "../../../../kernels/dense/ops/op.ts";
import { createOnnxSession, onnxRuntime } from "../../../../kernels/dense/sessions/onnx_runtime.ts";
import { checkGradients, type Feeds, numbers, weighted } from "../finite_differences.ts";

interface OpCase {
  /** Shapes of the differentiable inputs. */
  readonly shapes: readonly Shape[];
  readonly build: (g: Graph, inputs: Value[]) => Value;
  /** Indices of the inputs that get no gradient. */
  readonly constantInputs?: readonly number[];
  /** Moves the inputs away from kinks and poles. */
  readonly domain?: (value: number) => number;
}

const positive = (x: number) => 0.5 + Math.abs(x);
const awayFromZero = (x: number) => x + Math.sign(x) * 0.1;
const rows: Shape = ["rows", 3];

/** At least one case per op; the mapped type makes the compiler find a missing op. */
const CASES: { readonly [Name in OpName]: readonly OpCase[] } = {
  Add: [
    { shapes: [rows, rows], build: (g, [a, b]) => g.add(a, b) },
    { shapes: [["rows", 1], [3]], build: (g, [a, b]) => g.add(a, b) },
  ],
  Subtract: [
    { shapes: [rows, ["rows", 1]], build: (g, [a, b]) => g.subtract(a, b) },
    { shapes: [[2, 1, 3], [4, 1]], build: (g, [a, b]) => g.subtract(a, b) },
  ],
  Multiply: [
    { shapes: [rows, rows], build: (g, [a, b]) => g.multiply(a, b) },
    { shapes: [rows, [1]], build: (g, [a, b]) => g.multiply(a, b) },
  ],
  Divide: [
    { shapes: [rows, [3]], build: (g, [a, b]) => g.divide(a, b), domain: positive },
  ],
  Minimum: [{ shapes: [rows, [3]], build: (g, [a, b]) => g.minimum(a, b) }],
  Scale: [{ shapes: [rows], build: (g, [x]) => g.scale(x, -2.5) }],
  Shift: [{ shapes: [rows], build: (g, [x]) => g.shift(x, 0.75) }],
  Square: [{ shapes: [rows], build: (g, [x]) => g.square(x) }],
  Log: [{ shapes: [rows], build: (g, [x]) => g.log(x), domain: positive }],
  SquareRoot: [{ shapes: [rows], build: (g, [x]) => g.squareRoot(x), domain: positive }],
  Exp: [{ shapes: [rows], build: (g, [x]) => g.exp(x) }],
  Relu: [{ shapes: [rows], build: (g, [x]) => g.relu(x), domain: awayFromZero }],
  Sigmoid: [{ shapes: [rows], build: (g, [x]) => g.sigmoid(g.scale(x, 3)) }],
  PassPositive: [
    {
      shapes: [rows, ["rows", 1]],
      build: (g, [x, y]) => g.passPositive(x, y),
      domain: awayFromZero,
      constantInputs: [0],
    },
  ],
  SigmoidCrossEntropy: [
    {
      shapes: [rows, ["rows", 1]],
      build: (g, [z, y]) => g.sigmoidCrossEntropy(g.scale(z, 20), y),
    },
  ],
  Softmax: [{ shapes: [["rows", 2, 3]], build: (g, [x]) => g.softmax(g.scale(x, 4)) }],
  LastAxisMax: [
    {
      shapes: [["rows", 2, 3], ["rows", 2, 1]],
      build: (g, [x, y]) => g.multiply(g.lastAxisMax(x), y),
      constantInputs: [0],
    },
  ],
  MatMul: [
    { shapes: [rows, [3, 2]], build: (g, [a, b]) => g.matMul(a, b) },
    { shapes: [rows, ["rows", 2]], build: (g, [a, b]) => g.matMul(g.transposeLast(a), b) },
    { shapes: [rows, [2, 3]], build: (g, [a, b]) => g.matMul(a, g.transposeLast(b)) },
    {
      shapes: [["rows", 3, 2], ["rows", 2, 3]],
      build: (g, [a, b]) => g.matMul(g.transposeLast(a), g.transposeLast(b)),
    },
    { shapes: [["rows", 3, 2]], build: (g, [x]) => g.matMul(x, g.transposeLast(x)) },
  ],
  Linear: [
    { shapes: [rows, [3, 2], [2]], build: (g, [x, w, b]) => g.linear(x, w, b) },
    { shapes: [rows, [3, 2], ["rows", 2]], build: (g, [x, w, b]) => g.linear(x, w, b) },
  ],
  ReduceSum: [
    { shapes: [["rows", 2, 3]], build: (g, [x]) => g.reduceSum(x, [0]) },
    { shapes: [["rows", 2, 3]], build: (g, [x]) => g.reduceSum(x, [1, 2]) },
  ],
  ReduceSumSquare: [
    { shapes: [["rows", 2, 3]], build: (g, [x]) => g.reduceSumSquare(x, [0]) },
    { shapes: [["rows", 2, 3]], build: (g, [x]) => g.reduceSumSquare(x, [0, 1, 2]) },
  ],
  Reshape: [
    { shapes: [["rows", 2, 3]], build: (g, [x]) => g.reshape(x, ["rows", 6]) },
    { shapes: [["rows", 2, 3]], build: (g, [x]) => g.reshape(x, ["2*rows", 3]) },
  ],
  Transpose: [{ shapes: [["rows", 2, 3]], build: (g, [x]) => g.transpose(x, [2, 0, 1]) }],
  BroadcastTo: [
    { shapes: [["rows", 1, 3]], build: (g, [x]) => g.broadcastTo(x, ["rows", 2, 3]) },
    { shapes: [["rows", 3], [3]], build: (g, [x, b]) => g.concat([x, g.broadcastTo(b, rows)], 1) },
  ],
  Concat: [
    { shapes: [rows, ["rows", 2]], build: (g, [a, b]) => g.concat([a, b], 1) },
    { shapes: [["rows", 1, 3], ["rows", 2, 3]], build: (g, [a, b]) => g.concat([a, b], 1) },
  ],
  Slice: [{ shapes: [["rows", 4, 2]], build: (g, [x]) => g.slice(x, 1, 1, 3) }],
  Pad: [{ shapes: [["rows", 2, 2]], build: (g, [x]) => g.pad(x, 1, 1, 2) }],
  SelectColumns: [
    { shapes: [["rows", 4]], build: (g, [x]) => g.selectColumns(x, [3, -1, 0]) },
  ],
  GatherRows: [
    {
      shapes: [[2, 3], [4, 3]],
      build: (g, [x, y]) => g.multiply(g.gatherRows(x, g.constant([1, 0, 1, 1], [4])), y),
      constantInputs: [0],
    },
  ],
};

const ROW_COUNT = 3;

for (const [name, cases] of Object.entries(CASES)) {
  Deno.test(`${name}'s gradient equals finite differences`, () => {
    for (const opCase of cases) {
      const { g, y, variables, feeds } = construct(opCase);
      const probe = weighted(g, y, ROW_COUNT);
      const { constantInputs = [] } = opCase;
      const reached = variables.filter((_, index) => !constantInputs.includes(index));
      const symbols = { rows: ROW_COUNT };
      checkGradients(g, probe.loss, reached, { ...feeds, ...probe.feeds }, symbols);
    }
  });

  Deno.test(`${name} in ONNX Runtime equals the reference evaluator`, async () => {
    const ort = await onnxRuntime();
    for (const opCase of cases) {
      const { g, y, feeds } = construct(opCase);
      const session = await createOnnxSession({
        name,
        documentation: "",
        outputs: { y },
        parameters: { kind: "inputs" },
      }, { device: "cpu", threads: 1 });
      const tensors = Object.fromEntries(g.inputs.map(({ name, shape }) => {
        const dims = resolveShape(shape, { rows: ROW_COUNT });
        return [name, new ort.Tensor("float32", Float32Array.from(feeds[name]), dims)];
      }));
      const found = await session.run(tensors);
      const [expected] = evaluate([y], feeds, { rows: ROW_COUNT });
      assert.deepEqual([...found.y.dims], [...expected.shape]);
      (found.y.data as Float32Array).forEach((value, i) => {
        const difference = Math.abs(value - expected.data[i]);
        assert(difference <= 2e-6 * Math.max(1, Math.abs(expected.data[i])), `${name}[${i}]`);
      });
      await session.release();
    }
  });
}

function construct({ shapes, build, domain = (x) => x }: OpCase) {
  const g = new Graph();
  const feeds: Feeds = {};
  const variables = shapes.map((shape, index) => {
    const variable = g.input(`x${index}`, shape) as InputValue;
    const size = resolveShape(shape, { rows: ROW_COUNT }).reduce((a, b) => a * b, 1);
    feeds[variable.name] = numbers(size, index + 1).map(domain);
    return variable;
  });
  return { g, y: build(g, variables), variables, feeds };
}
