/**
 * Running moments of batch normalisation, which the optimizer must not change, by small batches
 * whose moments are known.
 */
import assert from "node:assert/strict";
import { createTrainingSession } from "../../../../kernels/dense/training_session.ts";
import type { DenseOptimizerOptions } from "../../../../kernels/dense/optimizers/options.ts";
import { createInferenceSession } from "../../../../kernels/dense/inference_session.ts";
import { EXAMPLE_OPTIONS, exampleBatch, exampleModel } from "../models/example_models.ts";

const model = exampleModel({ ...EXAMPLE_OPTIONS.deepFm, normalization: "batch" });

function open(optimizer: DenseOptimizerOptions) {
  return createTrainingSession(model, { optimizer, provider: "cpu", threads: 1, seed: 11 });
}

async function statistics(optimizer: DenseOptimizerOptions, steps: number) {
  const session = await open(optimizer);
  for (let step = 0; step < steps; step++) await session.step(exampleBatch(model, 6, 1));
  const { parameters } = await session.weights();
  await session.close();
  return Object.fromEntries(
    ["mean0", "variance0"].map((name) => [name, parameters[name].data] as const),
  );
}

Deno.test("running means and variances move a tenth towards each batch's, under every optimizer and weight decay", async () => {
  const still = { kind: "sgd", learningRate: 1e-12 } as const;
  const limit = await statistics(still, 300);
  const first = await statistics(still, 1);
  for (let unit = 0; unit < limit.mean0.length; unit++) {
    close(first.mean0[unit], 0.1 * limit.mean0[unit]);
    const whole = 5 / 6; // the batch's variance over the unbiased one, for six rows
    close(first.variance0[unit], 1 + 0.1 * whole * (limit.variance0[unit] - 1));
  }
  assert(limit.mean0.some((mean) => Math.abs(mean) > 0.05), "the batch's means are all near 0");
  for (
    const optimizer of [
      { kind: "sgd", learningRate: 0.5, weightDecay: 0.9 },
      { kind: "adamW", learningRate: 0.5, weightDecay: 0.9 },
      { kind: "adagrad", learningRate: 0.5, gradientClipNorm: 1e-3 },
    ] as const
  ) {
    assert.deepEqual(await statistics(optimizer, 1), first, optimizer.kind);
  }
});

Deno.test("batches of one row do not change the running variances", async () => {
  const session = await open({ kind: "sgd", learningRate: 0.1 });
  await session.step(exampleBatch(model, 6, 1));
  const variance = async () => (await session.weights()).parameters.variance0.data;
  const before = await variance();
  for (let i = 0; i < 3; i++) await session.step(exampleBatch(model, 1, i));
  assert.deepEqual(await variance(), before);
  await session.close();
});

Deno.test("a restored batch-normalised model continues with the same bits", async () => {
  const optimizer = { kind: "adam", learningRate: 0.01 } as const;
  const uninterrupted = await open(optimizer), resumed = await open(optimizer);
  for (let i = 0; i < 3; i++) await uninterrupted.step(exampleBatch(model, 6, i));
  await resumed.restore(structuredClone(await uninterrupted.checkpoint()));
  await uninterrupted.step(exampleBatch(model, 5, 4));
  await resumed.step(exampleBatch(model, 5, 4));
  assert.deepEqual(await resumed.checkpoint(), await uninterrupted.checkpoint());
  await Promise.all([uninterrupted.close(), resumed.close()]);
});

Deno.test("a running variance that averaging made negative gives finite logits", async () => {
  const session = await open({ kind: "sgd", learningRate: 0.1 });
  const server = await createInferenceSession(model, { provider: "cpu", threads: 1, seed: 3 });
  const weights = await session.weights();
  weights.parameters.variance0.data.fill(-0.5);
  server.load(weights);
  const logits = await server.predict(exampleBatch(model, 4));
  assert(logits.every(Number.isFinite), `${logits}`);
  await Promise.all([session.close(), server.close()]);
});

Deno.test("a learning rate scale applies to steps that are requested after it", async () => {
  const moved = async (scale: number, later: number) => {
    const session = await open({ kind: "sgd", learningRate: 0.1 });
    const before = (await session.weights()).parameters.w0.data;
    await session.setLearningRateScale(scale);
    const step = session.step(exampleBatch(model, 6, 1));
    await session.setLearningRateScale(later);
    await step;
    const after = (await session.weights()).parameters.w0.data;
    await session.close();
    return after.map((weight, i) => weight - before[i]);
  };
  const whole = await moved(1, 0.5), quarter = await moved(0.25, 7);
  whole.forEach((change, i) => close(quarter[i], change / 4));
});

function close(found: number, expected: number): void {
  assert(Math.abs(found - expected) <= 1e-5, `${found} ${expected}`);
}
