/**
 * Rates read from notations of an optimizer.
 */
import assert from "node:assert/strict";
import { statedRates } from "../../../offline/model_trace/stated_rates.ts";
import type { Trace } from "../../../offline/model_trace/trace.ts";

const trace = (about: object) =>
  ({
    name: "t",
    batch: 8,
    fields: 3,
    dim: 4,
    dense: 2,
    inputs: {},
    initial: {},
    steps: [],
    ...about,
  }) as object as Trace;
const read = (note: string) => statedRates(trace({ note })).rates;
const adam = (learningRate: number, beta1: number, beta2: number) => ({
  learningRate,
  beta1,
  beta2,
});

const PROSE: Readonly<Record<string, object>> = {
  "Adagrad lr .05, accumulator .1, eps 1e-10 outside the root; weights are [in, out]": {
    learningRate: 0.05,
    initialAccumulator: 0.1,
    epsilon: 1e-10,
  },
  "Adam lr .01, beta1 .9, beta2 .999": adam(0.01, 0.9, 0.999),
  "Adam with lr = 1e-2, beta_1 .85, beta_2 = .97.": adam(0.01, 0.85, 0.97),
  "adam(lr=0.01, betas=(0.9, 0.999), eps=1e-08)": { ...adam(0.01, 0.9, 0.999), epsilon: 1e-8 },
  "Adam: learning rate 0.003, betas of .8 and .95": adam(0.003, 0.8, 0.95),
  "Adam lr .01, betas .9/.999": adam(0.01, 0.9, 0.999),
  "Adam, α = 10⁻³, β₁ = 0.9, β₂ = 0.999, ε = 10^-8": {
    ...adam(0.001, 0.9, 0.999),
    epsilon: 1e-8,
  },
  "Adam, step size 3 x 10^-3, (β1, β2) = (0.9, 0.98)": adam(0.003, 0.9, 0.98),
  "Adam lr 0.1, beta1 = beta2 = 0.5": adam(0.1, 0.5, 0.5),
  "Adam lr 1e−3, beta 1 is 0.8, beta 2 is 0.9": adam(0.001, 0.8, 0.9),
  "DCN-v2 parallel; Adam(0.0037)": { learningRate: 0.0037 },
  "Adam lr .01, L2 0.05": { learningRate: 0.01, weightDecay: 0.05 },
  "AdamW lr .01, decoupled weight decay of .3, b1 .9, b2 .99": {
    ...adam(0.01, 0.9, 0.99),
    weightDecay: 0.3,
  },
  "AdamW at 0.002 without weight decay": { learningRate: 0.002, weightDecay: 0 },
  "SGD, lr: 0.1, lr_decay: 0, weight_decay: 0.02": { learningRate: 0.1, weightDecay: 0.02 },
  "SGD lr .5; no momentum": { learningRate: 0.5 },
  "momentum .9, lr .05": { momentum: 0.9, learningRate: 0.05 },
  "SGD with momentum coefficient .8, lr .1": { momentum: 0.8, learningRate: 0.1 },
  "heavy ball .8, learning rate set to .1": { momentum: 0.8, learningRate: 0.1 },
  "SGD with 0.8 momentum, learning rate = 0.1": { momentum: 0.8, learningRate: 0.1 },
  "momentum .9, not Nesterov, lr .1": { momentum: 0.9, nesterov: 0, learningRate: 0.1 },
  "momentum .9 (non-Nesterov), lr .1": { momentum: 0.9, nesterov: 0, learningRate: 0.1 },
  "momentum .9, nesterov off, lr .1": { momentum: 0.9, nesterov: 0, learningRate: 0.1 },
  "lr: 0.1 momentum: 0.9 dampening: 0 nesterov: False": {
    momentum: 0.9,
    nesterov: 0,
    learningRate: 0.1,
  },
  "SGD with Nesterov momentum .8, lr .1": { momentum: 0.8, nesterov: 1, learningRate: 0.1 },
  "Adagrad lr .1; the accumulator starts at .1": { learningRate: 0.1, initialAccumulator: 0.1 },
  "Adagrad lr .1, init acc .2": { learningRate: 0.1, initialAccumulator: 0.2 },
  "Adagrad lr .1, initial_accumulator_value=0.3": { learningRate: 0.1, initialAccumulator: 0.3 },
  "momentum .9, lr .1, gradients clipped to a global norm of 0.05": {
    momentum: 0.9,
    learningRate: 0.1,
    gradientClipNorm: 0.05,
  },
};

for (const [note, rates] of Object.entries(PROSE)) {
  Deno.test(`rates are read from "${note}"`, () => assert.deepEqual(read(note), rates));
}

Deno.test("rates are read from fields, wherever they are", () => {
  const cases = [
    { lr: 0.02, beta1: 0.85, beta2: 0.97, eps: 1e-7, weight_decay: 0.05 },
    { optimizer: { kind: "adam", lr: 0.02, betas: [0.85, 0.97], epsilon: 1e-7, l2: 0.05 } },
    { config: { optimizer: { learning_rate: "0.02", b1: 0.85, b2: 0.97, eps: "1e-7", wd: 0.05 } } },
    {
      hyperparameters: { learningRate: 0.02, "beta_1": 0.85, "beta_2": 0.97, epsilon: 1e-7 },
      note: "weight decay .05",
    },
    { optimizer: "Adam(lr=0.02, betas=(0.85, 0.97), eps=1e-07, weight_decay=0.05)" },
  ];
  for (const about of cases) {
    assert.deepEqual(
      statedRates(trace(about)).rates,
      { ...adam(0.02, 0.85, 0.97), epsilon: 1e-7, weightDecay: 0.05 },
      JSON.stringify(about),
    );
  }
  const momentum = { lr: 0.1, momentum: 0.8, nesterov: true, max_grad_norm: 2 };
  assert.deepEqual(statedRates(trace({ momentum: 0.8, hyper: momentum })).rates, {
    learningRate: 0.1,
    momentum: 0.8,
    nesterov: 1,
    gradientClipNorm: 2,
  });
});

Deno.test("what no optimizer here can do is named, where it is not 0", () => {
  assert.deepEqual(statedRates(trace({ note: "lr .1, dampening .5", amsgrad: false })).unknown, [
    "dampening .5",
  ]);
  assert.deepEqual(statedRates(trace({ optimizer: { dampening: 0.5, lr_decay: 0 } })).unknown, [
    "dampening 0.5",
  ]);
  assert.deepEqual(statedRates(trace({ note: "dampening 0, lr .1" })).unknown, []);
});
