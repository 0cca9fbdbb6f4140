/**
 * Training sessions: resuming to the same bits, refusing bad batches, checkpoints and weights of
 * other models.
 */
import assert from "node:assert/strict";
import { DivergenceError } from "../../../../kernels/dense/divergence.ts";
import { createModel } from "../../../../kernels/dense/models/create_model.ts";
import type { Model } from "../../../../kernels/dense/models/model.ts";
import { ModelOptionsError } from "../../../../kernels/dense/models/options.ts";
import { ProviderUnavailableError } from "../../../../kernels/dense/sessions/onnx_runtime.ts";
import type { Provider } from "../../../../kernels/dense/sessions/providers.ts";
import {
  carriedOver,
  checkpointDifferences,
  CheckpointError,
  createTrainingSession,
  type TrainingSessionOptions,
} from "../../../../kernels/dense/training_session.ts";
import { averageWeights, WeightsMismatchError } from "../../../../kernels/dense/weights.ts";
import { EXAMPLE_OPTIONS, exampleBatch, exampleModel } from "../models/example_models.ts";

const model = exampleModel({ ...EXAMPLE_OPTIONS.deepFm, dropout: 0.3 });

function open(of: Model, options: Partial<TrainingSessionOptions> = {}) {
  return createTrainingSession(of, {
    optimizer: { kind: "adam", learningRate: 0.01 },
    learningRateSchedule: { warmupSteps: 3 },
    provider: "cpu",
    threads: 1,
    seed: 11,
    ...options,
  });
}

for (const provider of ["cpu", "reference"] satisfies Provider[]) {
  Deno.test(`a restored run on ${provider} continues with the same bits, with dropout and a schedule`, async () => {
    const uninterrupted = await open(model, { provider });
    for (let i = 0; i < 3; i++) await uninterrupted.step(exampleBatch(model, 6, i));
    const checkpoint = structuredClone(await uninterrupted.checkpoint());

    const resumed = await open(model, { provider });
    await resumed.restore(checkpoint);
    for (let i = 3; i < 6; i++) {
      const batch = exampleBatch(model, 5 + i, i);
      assert.deepEqual(await resumed.step(batch), await uninterrupted.step(batch));
    }
    assert.deepEqual(await resumed.checkpoint(), await uninterrupted.checkpoint());
    assert.equal((await resumed.weights()).version, 6);
    await Promise.all([uninterrupted.close(), resumed.close()]);
  });

  Deno.test(`a batch that is not finite is refused on ${provider} and leaves the weights as they were`, async () => {
    const session = await open(model, { provider });
    await session.step(exampleBatch(model, 4, 1));
    const before = await session.checkpoint();
    const broken = exampleBatch(model, 4, 2);
    broken.sparse.embeddings[5] = NaN;
    await assert.rejects(session.step(broken), (error: Error) => {
      assert(error instanceof DivergenceError);
      assert.equal(error.divergence.step, 2);
      assert.match(error.message, /4 rows .*embeddings .* 1 not finite/);
      assert.match(error.message, /weights of step 1 are kept/);
      return true;
    });
    assert.deepEqual(await session.checkpoint(), before);
    await session.step(exampleBatch(model, 4, 3));
    assert.equal((await session.weights()).version, 2);
    await session.close();
  });
}

Deno.test("a step with an exploding loss is refused", async () => {
  const session = await open(model, { divergence: { explosionFactor: 50 } });
  await session.step(exampleBatch(model, 4, 1));
  const wild = exampleBatch(model, 4, 2);
  wild.sparse.first_order.fill(-1e6);
  wild.labels.fill(1);
  await assert.rejects(session.step(wild), /over 50 times its recent mean/);
  await session.close();
});

Deno.test("a step whose update overflows the weights is refused", async () => {
  const session = await open(exampleModel(EXAMPLE_OPTIONS.deepFm), {
    optimizer: { kind: "sgd", learningRate: 1e38 },
    learningRateSchedule: {},
  });
  const before = await session.weights();
  const batch = exampleBatch(model, 4, 1);
  batch.dense.fill(1e6);
  await assert.rejects(session.step(batch), DivergenceError);
  assert.deepEqual(await session.weights(), before);
  await session.close();
});

Deno.test("dropout changes a step's logits, and equal seeds draw equal masks", async () => {
  const plain = exampleModel(EXAMPLE_OPTIONS.deepFm);
  const dropped = await open(model), kept = await open(plain);
  const batch = exampleBatch(model, 8);
  const first = (await dropped.step(batch)).logits.slice();
  assert.notDeepEqual(first, (await kept.step(batch)).logits);
  const again = await open(model);
  assert.deepEqual(first, (await again.step(batch)).logits);
  await Promise.all([dropped, kept, again].map((session) => session.close()));
});

Deno.test("weights of two sessions are averaged and loaded with their version", async () => {
  const [a, b] = [await open(model), await open(model)];
  await a.step(exampleBatch(model, 4, 1));
  await b.step(exampleBatch(model, 4, 2));
  await b.step(exampleBatch(model, 4, 3));
  const [ours, theirs] = [await a.weights(), await b.weights()];
  const mean = averageWeights([ours, theirs]);
  assert.equal(mean.version, 2);
  const { w0 } = mean.parameters;
  assert.equal(
    w0.data[7],
    Math.fround((ours.parameters.w0.data[7] + theirs.parameters.w0.data[7]) / 2),
  );
  await a.load(mean);
  assert.deepEqual(await a.weights(), mean);
  await Promise.all([a.close(), b.close()]);
});

Deno.test("weights and checkpoints of another model are refused, naming parameter and shape", async () => {
  const session = await open(model);
  const other = await open(exampleModel(EXAMPLE_OPTIONS.dcnV2));
  await assert.rejects(session.load(await other.weights()), WeightsMismatchError);
  await assert.rejects(session.restore(await other.checkpoint()), CheckpointError);
  const deeper = await open(exampleModel({ ...EXAMPLE_OPTIONS.deepFm, hidden: [6, 5] }));
  await assert.rejects(session.restore(await deeper.checkpoint()), ({ message }: Error) => {
    assert.match(message, /w1 \[\d+,\d+\] -> \[\d+,\d+\]/);
    assert.doesNotMatch(message, /bias|"shape"/, "what is the same is not named");
    return true;
  });
  await Promise.all([session.close(), other.close(), deeper.close()]);
});

Deno.test("a changed model starts with the weights of equal name and shape, and with new optimizer state", async () => {
  const before = await open(model);
  for (let i = 0; i < 3; i++) await before.step(exampleBatch(model, 6, i));
  const saved = await before.checkpoint();
  const hidden = [...EXAMPLE_OPTIONS.deepFm.hidden, 5];
  const deeper = exampleModel({ ...EXAMPLE_OPTIONS.deepFm, hidden });
  const after = await open(deeper, { optimizer: { kind: "sgd", learningRate: 0.01 } });
  const initial = await after.checkpoint();
  const differences = checkpointDifferences(saved, initial);
  assert(differences.some((difference) => /^w\d none -> \[5,1\]$/.test(difference)));
  assert(differences.some((difference) => /^optimizer state .+ -> none$/.test(difference)));
  const fresh = await after.weights();
  await after.restore(carriedOver(saved, initial));
  const [learned, carried] = [await before.weights(), await after.weights()];
  assert.deepEqual([carried.version, (await after.checkpoint()).step], [3, 0]);
  for (const [name, tensor] of Object.entries(carried.parameters)) {
    const kept = learned.parameters[name]?.shape.join() === tensor.shape.join();
    assert.deepEqual(tensor, (kept ? learned : fresh).parameters[name], name);
  }
  assert.deepEqual(carried.parameters.w0, learned.parameters.w0);
  await after.step(exampleBatch(deeper, 6));
  assert.equal((await after.weights()).version, 4);
  const again = await open(deeper, { optimizer: { kind: "sgd", learningRate: 0.01 } });
  await again.restore(await after.checkpoint());
  assert.deepEqual(await again.weights(), await after.weights());
  const averaged = { ...await again.weights(), version: 9 };
  await again.load(averaged);
  assert.equal((await again.weights()).version, 9);
  assert.equal((await again.checkpoint()).step, 6, "the optimizer counts the steps of this model");
  await Promise.all([before.close(), after.close(), again.close()]);
});

Deno.test("a damaged checkpoint is refused by restore and by carriedOver", async () => {
  const session = await open(model);
  const whole = await session.checkpoint();
  const vectors = { ...whole.vectors, weights: whole.vectors.weights.slice(1) };
  const damaged = { ...whole, vectors };
  assert.deepEqual(checkpointDifferences(damaged, whole), []);
  await assert.rejects(session.restore(damaged), /damaged, "weights" has \d+ values/);
  const other = await open(exampleModel(EXAMPLE_OPTIONS.dcnV2));
  const initial = await other.checkpoint();
  assert.throws(() => carriedOver(damaged, initial), CheckpointError);
  await Promise.all([session.close(), other.close()]);
});

Deno.test("a batch of the wrong size is refused before it reaches the runtime", async () => {
  const session = await open(model);
  const batch = { ...exampleBatch(model, 4), rows: 5 };
  await assert.rejects(session.step(batch), /"first_order" has 16 values/);
  await session.close();
});

Deno.test("arrays that the session allocates fit its batches", async () => {
  const session = await open(exampleModel(EXAMPLE_OPTIONS.wideAndDeep));
  const { loss } = await session.step(session.allocateBatch(3));
  assert(Math.abs(loss - Math.log(2)) < 1e-6);
  await session.close();
});

Deno.test("a missing named device is an error with a remedy", async () => {
  const cuda = await open(model, { provider: "cuda" }).catch((error: Error) => error);
  if (!(cuda instanceof Error)) return await cuda.close(); // this machine has a card
  assert(cuda instanceof ProviderUnavailableError);
  assert.match(cuda.message, /gpu:install/);
});

Deno.test("models that cannot be built are refused with the reason", async () => {
  const sizes = { slots: 4, denseWidth: 0, tasks: 1 };
  const dlrm = createModel({ kind: "dlrm", embeddingDim: 4, bottom: [8], top: [8] }, sizes);
  await assert.rejects(open(dlrm), /needs dense values/);
  assert.throws(
    () => createModel({ kind: "logisticRegression", tasks: [] }, sizes),
    ModelOptionsError,
  );
  const attention = [{ slot: 0, candidate: 1, lengthMax: 4 }];
  assert.throws(
    () => createModel({ kind: "logisticRegression", attention }, sizes),
    /needs embeddings/,
  );
});
