/**
 * Compares every model's logits with its paper's formula, written for one example with plain loops.
 */
import assert from "node:assert/strict";
import { compileByRanking, compileInference } from "../../../../kernels/dense/inference_graph.ts";
import { evaluate } from "../../../../kernels/dense/graph/evaluate.ts";
import { resolveShape, staticSize } from "../../../../kernels/dense/graph/shape.ts";
import { createModel } from "../../../../kernels/dense/models/create_model.ts";
import type { ModelKind, ModelOptions } from "../../../../kernels/dense/models/options.ts";
import { topologicalOrder, type Value } from "../../../../kernels/dense/graph/value.ts";
import { numbers } from "../finite_differences.ts";

type Vector = readonly number[];

/** One example, and the weights by name. */
interface Example {
  /** One per slot. */
  readonly e: readonly Vector[];
  /** One per slot. */
  readonly firstOrder: Vector;
  readonly dense: Vector;
  /** Entries of slot 1's list, for models that attend to them. */
  readonly history: readonly Vector[];
  /** Matrices as rows, vectors as one row. */
  readonly weights: Readonly<Record<string, readonly Vector[]>>;
}

const SLOTS = 3, DIM = 2, DENSE = 2, LENGTH_MAX = 3;

const dot = (a: Vector, b: Vector) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const total = (a: Vector) => a.reduce((sum, value) => sum + value, 0);
const plus = (a: Vector, b: Vector) => a.map((value, i) => value + b[i]);
const relu = (a: Vector) => a.map((value) => Math.max(0, value));
const pairs = <T>(all: readonly T[]) => all.flatMap((a, i) => all.slice(0, i).map((b) => [a, b]));
/** `x · W + b` */
const affine = (x: Vector, w: readonly Vector[], [b]: readonly Vector[]) =>
  b.map((offset, column) => offset + dot(x, w.map((row) => row[column])));

function softmax(z: Vector): Vector {
  const exps = z.map(Math.exp);
  return exps.map((value) => value / total(exps));
}

/** A tower of `layers` with ReLU after each, or after all except the last. */
function tower(
  { weights }: Example,
  x: Vector,
  prefix: string,
  layers: number,
  last: "relu" | "linear",
): Vector {
  for (let i = 0; i < layers; i++) {
    x = affine(x, weights[`${prefix}w${i}`], weights[`${prefix}b${i}`]);
    if (last === "relu" || i < layers - 1) x = relu(x);
  }
  return x;
}

const joined = ({ e, dense }: Example) => [...e.flat(), ...dense];
/** The lower triangle of a matrix, row by row. */
const dots = (vectors: readonly Vector[]) => pairs(vectors).map(([a, b]) => dot(a, b));
const offset = ({ weights }: Example) => weights.bias[0][0];

const embeddingDim = DIM;

const CASES: {
  readonly [Kind in ModelKind]: {
    readonly options: Extract<ModelOptions, { kind: Kind }>;
    readonly logits: (example: Example) => Vector;
  };
} = {
  logisticRegression: {
    options: { kind: "logisticRegression" },
    logits: (x) => [
      total(x.firstOrder) + offset(x) + dot(x.dense, x.weights.dense_w.flat()),
    ],
  },
  factorizationMachine: {
    options: { kind: "factorizationMachine", embeddingDim },
    logits: (x) => [
      total(x.firstOrder) + offset(x) + dot(x.dense, x.weights.dense_w.flat()) + total(dots(x.e)),
    ],
  },
  wideAndDeep: {
    options: {
      kind: "wideAndDeep",
      embeddingDim,
      hidden: [4],
      attention: [{ slot: 1, candidate: 0, lengthMax: LENGTH_MAX, hidden: [3] }],
    },
    logits: (x) => {
      const [c, , last] = x.e;
      const pooled = x.history.map((h) => {
        const features = [h, c, plus(h, c.map((v) => -v)), h.map((v, i) => v * c[i])].flat();
        const [a] = tower(x, features, "attention1_", 2, "linear");
        return h.map((value) => a * value);
      }).reduce(plus, [0, 0]);
      const deep = tower(x, joined({ ...x, e: [c, pooled, last] }), "", 2, "linear");
      return [total(x.firstOrder) + offset(x) + deep[0]];
    },
  },
  deepFm: {
    options: { kind: "deepFm", embeddingDim, hidden: [4, 3] },
    logits: (x) => [
      total(x.firstOrder) + offset(x) + total(dots(x.e)) +
      tower(x, joined(x), "", 3, "linear")[0],
    ],
  },
  dcnV2: {
    options: { kind: "dcnV2", embeddingDim, crossLayers: 2, hidden: [4] },
    logits: (x) => {
      const x0 = joined(x);
      let xl: Vector = x0;
      for (const layer of [0, 1]) {
        const crossed = affine(xl, x.weights[`cross_w${layer}`], x.weights[`cross_b${layer}`]);
        xl = plus(crossed.map((value, i) => x0[i] * value), xl);
      }
      const { out_w, out_b } = x.weights;
      return affine([...xl, ...tower(x, x0, "", 1, "relu")], out_w, out_b);
    },
  },
  finalNet: {
    options: { kind: "finalNet", embeddingDim, hidden: [4, 6] },
    logits: (x) => {
      const interactions = [0, 1].reduce((below, layer) => {
        const maps = affine(below, x.weights[`w${layer}`], x.weights[`b${layer}`]);
        const a = maps.slice(0, maps.length / 2), b = maps.slice(maps.length / 2);
        return [...a, ...a.map((value, i) => value * b[i])];
      }, joined(x));
      return affine(interactions, x.weights.out_w, x.weights.out_b);
    },
  },
  dlrm: {
    options: { kind: "dlrm", embeddingDim, bottom: [4], top: [3] },
    logits: (x) => {
      const bottom = tower(x, x.dense, "bottom_", 2, "relu");
      return tower(x, [...bottom, ...dots([bottom, ...x.e])], "top_", 2, "linear");
    },
  },
  mmoe: {
    options: {
      kind: "mmoe",
      embeddingDim,
      experts: 2,
      expertHidden: [4],
      towerHidden: [3],
      tasks: [{ loss: "binaryCrossEntropy" }, { loss: "squaredError" }],
    },
    logits: (x) =>
      [0, 1].map((task) => {
        const { [`gate_w${task}`]: w, [`gate_b${task}`]: b } = x.weights;
        const mixed = softmax(affine(joined(x), w, b))
          .map((g, e) => tower(x, joined(x), `expert${e}_`, 1, "relu").map((v) => g * v))
          .reduce(plus);
        return tower(x, mixed, `tower${task}_`, 2, "linear")[0];
      }),
  },
};

const tested = Object.entries(CASES).flatMap(([kind, formula]) =>
  [false, true].map((sumsAreProducts) => ({ kind, ...formula, sumsAreProducts }))
);

for (const { kind, options, logits, sumsAreProducts } of tested) {
  const form = sumsAreProducts ? ", with sums as products" : "";
  Deno.test(`${kind} computes its paper's formula${form}`, () => {
    const rows = LENGTH_MAX + 1;
    const tasks = options.tasks?.length ?? 1;
    const sizes = { slots: SLOTS, denseWidth: DENSE, tasks };
    const compiled = compileInference(createModel(options, sizes), { sumsAreProducts });
    const { inputs, parameters } = compiled.graph;
    const feeds = Object.fromEntries(
      [...inputs, ...parameters].map(({ name, shape }, i) =>
        [name, numbers(staticSize(resolveShape(shape, { rows })), i + 1)] as const
      ),
    );
    // Example i has i history entries.
    const isPresent = (i: number) => i % LENGTH_MAX < Math.floor(i / LENGTH_MAX);
    if ("history1/present" in feeds) {
      feeds["history1/present"] = feeds["history1/present"].map((_, i) => isPresent(i) ? 1 : 0);
    }
    const [found] = evaluate([compiled.logits], feeds, { rows });

    const weights = Object.fromEntries(parameters.map(({ name, shape }) => {
      const width = shape.at(-1) as number;
      return [name, inRows(feeds[name], width)];
    }));
    for (let row = 0; row < rows; row++) {
      const at = (
        name: string,
        width: number,
      ) => [...(feeds[name] ?? []).slice(row * width, (row + 1) * width)];
      const expected = logits({
        e: inRows(at("embeddings", SLOTS * DIM), DIM),
        firstOrder: at("first_order", SLOTS),
        dense: at("dense", DENSE),
        history: inRows(at("history1", LENGTH_MAX * DIM), DIM).slice(0, row),
        weights,
      });
      expected.forEach((value, task) => {
        const logit = found.data[row * tasks + task];
        assert(Math.abs(logit - value) < 1e-12, `row ${row}, task ${task}: ${logit} ${value}`);
      });
    }
  });
}

function inRows(data: ArrayLike<number>, width: number): Vector[] {
  const flat = Array.from(data);
  return Array.from(
    { length: flat.length / width },
    (_, i) => flat.slice(i * width, (i + 1) * width),
  );
}

Deno.test("slots are added up by a product only where it has few terms", () => {
  const products = (slots: number, embeddingDim: number) => {
    const model = createModel({ kind: "factorizationMachine", embeddingDim }, {
      slots,
      denseWidth: 0,
      tasks: 1,
    });
    const count = (sumsAreProducts: boolean) =>
      topologicalOrder([compileInference(model, { sumsAreProducts }).logits])
        .filter(({ op }) => op === "MatMul").length;
    return count(true) - count(false);
  };
  assert.equal(products(20, 16), 1);
  assert.equal(products(20, 32), 0);
  assert.equal(products(100, 16), 0);
});

Deno.test("with sums as products, what is added to a logit is part of a product", () => {
  const sizes = { slots: 9, denseWidth: 1, tasks: 1 };
  const model = createModel({ kind: "deepFm", embeddingDim: 16, hidden: [8] }, sizes);
  const opsOf = (logits: Value | undefined) => {
    assert.ok(logits !== undefined);
    const ofRows = topologicalOrder([logits]).filter(({ shape }) => shape[0] === "rows");
    const ops: string[] = ofRows.map(({ op }) => op);
    return ["ReduceSum", "Scale", "Subtract", "Add"].filter((op) => ops.includes(op));
  };
  const form = { sumsAreProducts: true };
  assert.deepEqual(opsOf(compileInference(model, form).logits), []);
  // The tower's logit, to the sums of its ranking.
  assert.deepEqual(opsOf(compileByRanking(model, form, [0])?.logits), ["Add"]);
});
