/**
 * A session in a thread of its own does what a session in this thread does.
 */
import assert from "node:assert/strict";
import type { DenseModelParts } from "../../../cli/dense_thread/protocol.ts";
import { ThreadedSession } from "../../../cli/dense_thread/threaded_session.ts";
import { batchOfRows, type TrainingBatch } from "../../../kernels/dense/training_batch.ts";
import { createTrainingSession } from "../../../kernels/dense/training_session.ts";
import {
  EXAMPLE_OPTIONS,
  exampleBatch,
  exampleModel,
} from "../../kernels/dense/models/example_models.ts";

const options = { ...EXAMPLE_OPTIONS.wideAndDeep, dropout: 0.2 };
const model = exampleModel(options);
const parts: DenseModelParts = {
  model: options,
  modelSizes: model.sizes,
  session: {
    optimizer: { kind: "adam", learningRate: 0.01 },
    provider: "cpu",
    threads: 1,
    seed: 11,
    divergence: {},
  },
};

/** The arrays of `target`, filled like `source`. */
function filled(target: TrainingBatch, source: TrainingBatch): TrainingBatch {
  const batch = batchOfRows(target, source.rows);
  for (const [name, array] of Object.entries(source.sparse)) batch.sparse[name].set(array);
  for (const [name, { entries, present }] of Object.entries(source.sequences ?? {})) {
    batch.sequences![name].entries.set(entries);
    batch.sequences![name].present.set(present);
  }
  batch.dense.set(source.dense);
  batch.labels.set(source.labels);
  batch.logSampleRate.set(source.logSampleRate);
  return batch;
}

Deno.test("a session in another thread takes the same steps and goes on from the same checkpoint, with arrays used again", async () => {
  const here = await createTrainingSession(model, parts.session);
  let there = await ThreadedSession.open(parts);
  let buffers = there.allocateBatch(9);
  for (let i = 0; i < 5; i++) {
    const example = exampleBatch(model, 9 - i, i);
    const expected = await here.step(example);
    const { loss, logits, gradients, batch } = await there.step(filled(buffers, example));
    assert.equal(loss, expected.loss);
    assert.deepEqual(logits, expected.logits);
    assert.deepEqual(gradients, expected.gradients);
    buffers = batch;
    if (i === 2) {
      const checkpoint = await there.checkpoint();
      assert.deepEqual(checkpoint, await here.checkpoint());
      await there.close();
      there = await ThreadedSession.open(parts);
      await there.restore(checkpoint);
    }
  }
  const weights = await there.weights();
  assert.deepEqual(weights, await here.weights());
  assert.equal(weights.version, 5);
  await there.load({ ...weights, version: 9 });
  assert.equal((await there.weights()).version, 9);
  await Promise.all([here.close(), there.close()]);
  await assert.rejects(there.weights(), /session of the dense step is closed/);
});

Deno.test("steps that wait behind one that diverges fail with it, and the weights stay", async () => {
  const session = await ThreadedSession.open(parts);
  await session.step(exampleBatch(model, 4, 1));
  const before = await session.checkpoint();
  const broken = exampleBatch(model, 4, 2);
  broken.dense.fill(NaN);
  const steps = [session.step(broken), session.step(exampleBatch(model, 4, 3))];
  for (const step of await Promise.allSettled(steps)) {
    assert.ok(step.status === "rejected");
    assert.equal(step.reason.name, "DivergenceError");
    assert.match(step.reason.message, /step 2: the loss is not finite/);
  }
  assert.deepEqual(await session.checkpoint(), before);
  await session.step(exampleBatch(model, 4, 3));
  assert.equal((await session.weights()).version, 2);
  await session.close();
});

Deno.test("a thread that cannot open its session says why", async () => {
  const session = { ...parts.session, threads: -1 };
  await assert.rejects(ThreadedSession.open({ ...parts, session }), {
    name: "ProviderUnavailableError",
    message: /Cannot run the dense model on "cpu"/,
  });
});
