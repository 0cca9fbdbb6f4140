/**
 * A refused step changes nothing: a session that refused a batch and then trains on a part of its
 * rows has the same bits as a session that was given that part alone. The trainer relies on this to
 * find refused rows by halving a batch.
 */
import assert from "node:assert/strict";
import type { ModelOptions } from "../../../../kernels/dense/models/options.ts";
import type { DenseOptimizerOptions } from "../../../../kernels/dense/optimizers/options.ts";
import {
  createTrainingSession,
  type TrainingSession,
} from "../../../../kernels/dense/training_session.ts";
import { EXAMPLE_OPTIONS, exampleBatch, exampleModel } from "../models/example_models.ts";
import { leavesNoTrace } from "./leaves_no_trace.ts";

const optimizers: readonly DenseOptimizerOptions[] = [
  { kind: "momentum", learningRate: 0.01, momentum: 0.9 },
  { kind: "adagrad", learningRate: 0.01 },
  { kind: "adam", learningRate: 0.01, gradientClipNorm: 0.5 },
];

const models: Readonly<Record<string, ModelOptions>> = {
  "deepFm with dropout": { ...EXAMPLE_OPTIONS.deepFm, dropout: 0.3 },
  "dcnV2 with batch norm": { ...EXAMPLE_OPTIONS.dcnV2, normalization: "batch" },
  "wideAndDeep with attention": EXAMPLE_OPTIONS.wideAndDeep,
};

for (const provider of ["cpu", "reference"] as const) {
  for (const [name, options] of Object.entries(models)) {
    for (const optimizer of optimizers) {
      Deno.test(`a step refused on ${provider} leaves no trace in ${name} under ${optimizer.kind}`, () =>
        leavesNoTrace(options, optimizer, provider));
    }
  }
}

for (const optimizer of optimizers) {
  Deno.test(`a gradient whose square is not finite is refused under ${optimizer.kind}`, async () => {
    const session = await openZero(optimizer);
    const before = await session.checkpoint();
    const batch = exampleBatch(session.model, 4, 1);
    // The weights are 0, so the loss is that of an untrained model, whatever the dense values are.
    batch.dense.fill(1e25);
    batch.sparse.first_order.fill(0);
    await assert.rejects(session.step(batch), /the gradient or the new weights are not finite/);
    assert.deepEqual(await session.checkpoint(), before);
    await session.close();
  });
}

/** A session of a linear model, whose dense weights start at 0. */
function openZero(optimizer: DenseOptimizerOptions): Promise<TrainingSession> {
  const model = exampleModel(EXAMPLE_OPTIONS.logisticRegression);
  return createTrainingSession(model, { optimizer, provider: "cpu", threads: 1, seed: 3 });
}
