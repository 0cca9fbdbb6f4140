/**
 * Compares every update rule with its paper's formula, written for one weight.
 */
import assert from "node:assert/strict";
import { evaluate } from "../../../../kernels/dense/graph/evaluate.ts";
import { Graph } from "../../../../kernels/dense/graph/graph.ts";
import type {
  DenseOptimizerKind,
  DenseOptimizerOptions,
} from "../../../../kernels/dense/optimizers/options.ts";
import { optimizerRule } from "../../../../kernels/dense/optimizers/rules.ts";
import { numbers } from "../finite_differences.ts";

/**
 * Computes the next weight from a weight, its gradient and the step's number; keeps the rule's
 * state.
 */
type Update = (w: number, g: number, t: number) => number;

interface Case {
  readonly options: DenseOptimizerOptions;
  readonly formula: () => Update;
}

const lr = 0.1;

/** Options to test, with and without the optional keys. */
const CASES: { readonly [Kind in DenseOptimizerKind]: readonly Case[] } = {
  sgd: [
    { options: { kind: "sgd", learningRate: lr }, formula: () => (w, g) => w - lr * g },
    {
      options: { kind: "sgd", learningRate: lr, weightDecay: 0.3 },
      formula: () => (w, g) => w - lr * (g + 0.3 * w),
    },
  ],
  momentum: [
    {
      options: { kind: "momentum", learningRate: lr, momentum: 0.9, weightDecay: 0.3 },
      formula: () => {
        let v = 0;
        return (w, g) => w - lr * (v = 0.9 * v + g + 0.3 * w);
      },
    },
    {
      options: { kind: "momentum", learningRate: lr, momentum: 0.8, nesterov: true },
      formula: () => {
        let v = 0;
        return (w, g) => w - lr * (g + 0.8 * (v = 0.8 * v + g));
      },
    },
  ],
  adagrad: [
    { options: { kind: "adagrad", learningRate: lr }, formula: () => adagrad(0.1, 1e-10, 0) },
    {
      options: {
        kind: "adagrad",
        learningRate: lr,
        initialAccumulator: 0,
        epsilon: 0.02,
        weightDecay: 0.3,
      },
      formula: () => adagrad(0, 0.02, 0.3),
    },
  ],
  adam: [
    {
      options: { kind: "adam", learningRate: lr },
      formula: () => adam({ beta1: 0.9, beta2: 0.999, epsilon: 1e-8, l2: 0, decay: 0 }),
    },
    {
      options: {
        kind: "adam",
        learningRate: lr,
        beta1: 0.7,
        beta2: 0.95,
        epsilon: 0.02,
        weightDecay: 0.3,
      },
      formula: () => adam({ beta1: 0.7, beta2: 0.95, epsilon: 0.02, l2: 0.3, decay: 0 }),
    },
  ],
  adamW: [
    {
      options: { kind: "adamW", learningRate: lr },
      formula: () => adam({ beta1: 0.9, beta2: 0.999, epsilon: 1e-8, l2: 0, decay: 0.01 }),
    },
    {
      options: { kind: "adamW", learningRate: lr, beta2: 0.95, epsilon: 0.02, weightDecay: 0.3 },
      formula: () => adam({ beta1: 0.9, beta2: 0.95, epsilon: 0.02, l2: 0, decay: 0.3 }),
    },
  ],
};

function adagrad(initial: number, epsilon: number, decay: number): Update {
  let sum = initial;
  return (w, gradient) => {
    const g = gradient + decay * w;
    sum += g * g;
    return w - lr * g / (Math.sqrt(sum) + epsilon);
  };
}

interface AdamFormula {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Added to the gradient. */
  readonly l2: number;
  /** Applied to the weight, not to the gradient. */
  readonly decay: number;
}

function adam({ beta1, beta2, epsilon, l2, decay }: AdamFormula): Update {
  let m = 0, v = 0;
  return (w, gradient, t) => {
    const g = gradient + l2 * w;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const mHat = m / (1 - beta1 ** t), vHat = v / (1 - beta2 ** t);
    return w - lr * decay * w - lr * mHat / (Math.sqrt(vHat) + epsilon);
  };
}

const STEPS = 6, WEIGHTS = 4;

/** The weights after each step of the compiled rule. */
function compiled(options: DenseOptimizerOptions): number[][] {
  const rule = optimizerRule(options.kind);
  const g = new Graph();
  const first = rule.state(options);
  const inputs = (names: string[], size: number) =>
    Object.fromEntries(names.map((name) => [name, g.input(name, [size])]));
  const next = rule.update(g, {
    ...inputs(["weights", "gradient"], WEIGHTS) as { weights: never; gradient: never },
    state: inputs(Object.keys(first), WEIGHTS),
    scalars: inputs(Object.keys(rule.scalars(options, 1, 1)), 1),
  }, options);
  const feeds: Record<string, ArrayLike<number>> = { weights: numbers(WEIGHTS, 1) };
  for (const [name, value] of Object.entries(first)) feeds[name] = Array(WEIGHTS).fill(value);
  return Array.from({ length: STEPS }, (_, step) => {
    feeds.gradient = numbers(WEIGHTS, 2 + step);
    for (const [name, value] of Object.entries(rule.scalars(options, lr, step + 1))) {
      feeds[name] = [value];
    }
    const outputs = { weights: next.weights, ...next.state };
    const values = evaluate(Object.values(outputs), feeds);
    Object.keys(outputs).forEach((name, i) => feeds[name] = values[i].data);
    return [...values[0].data];
  });
}

for (const [kind, cases] of Object.entries(CASES)) {
  for (const { options, formula } of cases) {
    Deno.test(`${kind} follows its formula: ${JSON.stringify(options)}`, () => {
      const found = compiled(options);
      numbers(WEIGHTS, 1).forEach((weight, i) => {
        const update = formula();
        found.forEach((weights, step) => {
          weight = update(weight, numbers(WEIGHTS, 2 + step)[i], step + 1);
          assert(
            Math.abs(weights[i] - weight) < 1e-12,
            `step ${step + 1}: ${weights[i]} ${weight}`,
          );
        });
      });
    });
  }
}
