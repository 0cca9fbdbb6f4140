/** Every sparse optimizer through the table, against published values and plain TypeScript. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import type { SparseOptimizerOptions } from "../../../kernels/embedding/options.ts";
import { optimizerOracle } from "./optimizer_oracles.ts";

const ID = BigUint64Array.of(1n << 48n | 7n);

function tableOf(optimizer: SparseOptimizerOptions, dim: number): EmbeddingTable {
  return EmbeddingTable.create({
    seed: 1,
    slices: [{ name: "embeddings", dim, initializer: { kind: "zeros" }, optimizer }],
    slots: [],
    bytesMax: 1 << 24,
    atLimit: "reject",
  });
}

function weightsOf(table: EmbeddingTable): Float32Array {
  const weights = new Float32Array(table.width);
  table.lookup(ID, weights, "zeros");
  return weights;
}

const lr = { learningRate: 0.01 };
const adam = { ...lr, kind: "adam", beta1: 0.9, beta2: 0.99, epsilon: 0.01 } as const;
const ftrl = { ...lr, kind: "ftrl", beta: 0, initialAccumulator: 0.1, l1: 0, l2: 0 } as const;

/** Weights from zero after each of as many identical steps as there are values. */
const REFERENCE: readonly (readonly [SparseOptimizerOptions, number[], number[][]])[] = [
  [{ kind: "sgd", learningRate: 0.1 }, [1], [[-0.1]]],
  [
    { kind: "adagrad", learningRate: 0.1, initialAccumulator: 1 },
    [1, 2],
    [[-0.07071067, -0.08944272]],
  ],
  [adam, [10], [[-0.00990099], [-0.0198306]]],
  [ftrl, [10], [[-0.009995], [-0.0170643]]],
  [{ ...lr, kind: "momentum", momentum: 0.9 }, [10], [[-0.1], [-0.29]]],
  [{ ...lr, kind: "rmsprop", momentum: 0.9, version: 1 }, [10], [[-0.024025], [-0.042686]]],
  [
    { ...lr, kind: "groupAdagrad", beta: 1, initialAccumulator: 0, l2: 1 },
    [10],
    [[-0.008182], [-0.014125]],
  ],
];

for (const [optimizer, gradient, expected] of REFERENCE) {
  Deno.test(`${optimizer.kind} gives the reference values`, () => {
    const table = tableOf(optimizer, gradient.length);
    for (const step of expected) {
      table.applyGradients(ID, Float32Array.from(gradient), Uint32Array.of(1), 0);
      weightsOf(table).forEach((weight, i) => assert.ok(Math.abs(weight - step[i]) <= 1e-6));
    }
  });
}

const fraction = fc.double({ min: 0.1, max: 0.99, noNaN: true });
const small = fc.constantFrom(0, 0.1, 1);
const positive = fc.double({ min: 0.001, max: 0.5, noNaN: true });
const rules: fc.Arbitrary<SparseOptimizerOptions> = fc.tuple(
  fc.oneof(
    fc.constant({ kind: "sgd" as const }),
    fc.record({
      kind: fc.constant("momentum" as const),
      momentum: fraction,
      nesterov: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("adagrad" as const), initialAccumulator: small }),
    fc.record({ kind: fc.constant("rowwiseAdagrad" as const), initialAccumulator: small }),
    fc.record({
      kind: fc.constant("adadelta" as const),
      averagingRatio: fraction,
      epsilon: positive,
    }),
    fc.record({
      kind: fc.constant("adam" as const),
      beta1: fraction,
      beta2: fraction,
      epsilon: positive,
      amsgrad: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant("rmsprop" as const),
      momentum: fraction,
      version: fc.constantFrom(1 as const, 2 as const),
    }),
    fc.record({
      kind: fc.constant("ftrl" as const),
      beta: small,
      initialAccumulator: small,
      l1: small,
      l2: small,
    }),
    fc.record({
      kind: fc.constant("groupAdagrad" as const),
      beta: small,
      initialAccumulator: small,
      l2: small,
    }),
  ),
  positive,
  fc.constantFrom(0, 0.01),
  fc.constantFrom(Infinity, 0.5),
).map(([rule, learningRate, weightDecay, clip]) => ({
  ...rule,
  learningRate,
  weightDecay,
  ...(clip === Infinity ? {} : { gradientClip: clip }),
}));

Deno.test("every optimizer equals its plain TypeScript twin to the bit, at every dim", () => {
  const value = fc.oneof(fc.constant(0), fc.float({ min: -4, max: 4, noNaN: true }));
  const cases = fc.integer({ min: 1, max: 67 }).chain((dim) =>
    fc.tuple(
      rules,
      fc.constant(dim),
      fc.array(fc.array(value, { minLength: dim, maxLength: dim }), { minLength: 1, maxLength: 4 }),
    )
  );
  fc.assert(
    fc.property(cases, ([optimizer, dim, gradients]) => {
      const table = tableOf(optimizer, dim);
      const step = optimizerOracle(optimizer, dim);
      const expected = new Float32Array(dim);
      for (const gradient of gradients.map((list) => Float32Array.from(list))) {
        table.applyGradients(ID, gradient, Uint32Array.of(1), 0);
        step(expected, gradient);
        // -0 and 0 are one weight.
        const plusZero = (weights: Float32Array) => weights.map((weight) => weight + 0);
        assert.deepEqual(plusZero(weightsOf(table)), plusZero(expected));
      }
    }),
    { numRuns: 600 },
  );
});

Deno.test("first weights are the same on every machine", () => {
  const initial = (
    initializer: Parameters<typeof EmbeddingTable.create>[0]["slices"][0]["initializer"],
  ) => {
    const table = EmbeddingTable.create({
      seed: 42,
      slices: [{ name: "e", dim: 3, initializer, optimizer: { kind: "sgd", learningRate: 1 } }],
      slots: [],
      bytesMax: 1 << 20,
      atLimit: "reject",
    });
    const weights = new Float32Array(3);
    table.lookup(ID, weights, "initial");
    return [...new Uint32Array(weights.buffer)];
  };
  assert.deepEqual(
    initial({ kind: "uniform", low: -0.05, high: 0.05 }),
    [1_016_290_174, 1_010_898_760, 1_028_216_253],
  );
  assert.deepEqual(
    initial({ kind: "normal", mean: 0, stddev: 0.01 }),
    [999_892_272, 994_345_501, 1_019_455_890],
  );
});
