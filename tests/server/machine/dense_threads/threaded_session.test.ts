/**
 * A session in a thread of its own gives the results of a session in this thread.
 */
import assert from "node:assert/strict";
import type { PlacedModelParts } from "../../../../server/machine/dense_threads/protocol.ts";
import { ThreadedSession } from "../../../../server/machine/dense_threads/threaded_session.ts";
import { allocateBatch, type TrainingBatch } from "../../../../kernels/dense/training_batch.ts";
import { createTrainingSession } from "../../../../kernels/dense/training_session.ts";
import {
  EXAMPLE_OPTIONS,
  exampleBatch,
  exampleModel,
} from "../../../kernels/dense/models/example_models.ts";

const options = { ...EXAMPLE_OPTIONS.wideAndDeep, dropout: 0.2 };
const model = exampleModel(options);
const parts: PlacedModelParts = {
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

/** With results of their own, as a trainer has them. */
function batchOf(seed: number, rows: number): TrainingBatch {
  return {
    ...exampleBatch(model, rows, seed),
    results: allocateBatch(model, rows, (n) => new Float32Array(n)).results!,
  };
}

Deno.test("a session of one replica has the same bits as one in this thread, and goes on from its checkpoint", async () => {
  const here = await createTrainingSession(model, parts.session);
  let there = await ThreadedSession.open(parts);
  for (let i = 0; i < 5; i++) {
    const batch = batchOf(i, [5, 9, 3, 9, 1][i]);
    const expected = await here.step(exampleBatch(model, batch.rows, i));
    const { loss, logits, gradients } = await there.step(batch);
    assert.equal(loss, expected.loss);
    assert.equal(logits, batch.results!.logits);
    assert.deepEqual(logits, expected.logits);
    assert.deepEqual(gradients, expected.gradients);
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

Deno.test("a batch that does not fit the model is refused by its name, and the session goes on", async () => {
  const session = await ThreadedSession.open({
    ...parts,
    session: { ...parts.session, threads: 2 },
  });
  const batch = batchOf(1, 6);
  await assert.rejects(
    session.step({ ...batch, dense: batch.dense.subarray(1) }),
    /Cannot train on 6 rows: "dense" has/,
  );
  assert.ok(Number.isFinite((await session.step(batch)).loss));
  await session.close();
});

Deno.test("three threads learn together what one session learns alone, from batches of several parts and of one", async () => {
  const three = { ...parts, session: { ...parts.session, threads: 3 } };
  const [alone, together, again] = [
    await createTrainingSession(model, parts.session),
    await ThreadedSession.open(three),
    await ThreadedSession.open(three),
  ];
  const sizes = [1_300, 2, 1_600, 700];
  const repeated = sizes.map((rows, i) => again.step(batchOf(i, rows)));
  for (const [i, rows] of sizes.entries()) {
    const expected = await alone.step(exampleBatch(model, rows, i));
    const found = await together.step(batchOf(i, rows));
    assert.ok(Math.abs(found.loss - expected.loss) < 1e-5);
    assertClose(found.logits, expected.logits);
    for (const [name, gradient] of Object.entries(expected.gradients)) {
      assertClose(found.gradients[name], gradient);
    }
    assert.deepEqual(await repeated[i], found, "the same bits each time");
  }
  const { vectors } = await together.checkpoint();
  for (const [name, vector] of Object.entries((await alone.checkpoint()).vectors)) {
    assertClose(vectors[name], vector);
  }
  await Promise.all([alone, together, again].map((session) => session.close()));
});

function assertClose(found: Float32Array, expected: Float32Array): void {
  assert.equal(found.length, expected.length);
  for (const [i, value] of expected.entries()) {
    assert.ok(
      Math.abs(found[i] - value) < 1e-4 * Math.max(0.01, Math.abs(value)),
      `${found[i]} for ${value}`,
    );
  }
}

Deno.test("steps that wait behind one that diverges fail with it, parts in both threads included, and the weights stay", async () => {
  const rows = 1_400;
  const two = { ...parts, session: { ...parts.session, threads: 2 } };
  const session = await ThreadedSession.open(two);
  await session.step(exampleBatch(model, rows, 1));
  const before = await session.checkpoint();
  const broken = exampleBatch(model, rows, 2);
  broken.dense[0] = NaN;
  const steps = [session.step(broken), session.step(exampleBatch(model, rows, 3))];
  for (const step of await Promise.allSettled(steps)) {
    assert.ok(step.status === "rejected");
    assert.equal(step.reason.name, "DivergenceError");
    assert.match(step.reason.message, /step 2: the loss is not finite/);
  }
  await assert.rejects(session.step(broken), /of 1400 rows .*dense mean .* 1 not finite/);
  assert.deepEqual(await session.checkpoint(), before);
  await session.step(exampleBatch(model, rows, 3));
  assert.equal((await session.weights()).version, 2);
  await session.close();
});

Deno.test("the first loss of several tasks is judged by the counts of the whole batch, not of a part", async () => {
  const binary = { loss: "binaryCrossEntropy" } as const;
  const options = { ...EXAMPLE_OPTIONS.mmoe, tasks: [binary, binary] };
  const whole = exampleModel(options);
  const session = await ThreadedSession.open({
    model: options,
    modelSizes: whole.sizes,
    session: { ...parts.session, threads: 2 },
  });
  const batch = exampleBatch(whole, 1_100);
  batch.logSampleRate.fill(0, 0, 600).fill(Math.log(1e-4), 600);
  const { loss } = await session.step(batch);
  assert.ok(
    loss > 2_000 * Math.LN2,
    "too much for examples that count 1, as those of the first part do",
  );
  const exploded = exampleBatch(whole, 1_100);
  exploded.sparse.embeddings.fill(1e9);
  const other = await ThreadedSession.open({
    model: options,
    modelSizes: whole.sizes,
    session: { ...parts.session, threads: 2 },
  });
  await assert.rejects(other.step(exploded), /an untrained model's/);
  await Promise.all([session.close(), other.close()]);
});

Deno.test("a thread that cannot open its session says why", async () => {
  const session = { ...parts.session, provider: "cuda" as const, threads: 2 };
  await assert.rejects(ThreadedSession.open({ ...parts, session }), {
    name: "ProviderUnavailableError",
    message: /Cannot run the dense model on "cuda"/,
  });
});

Deno.test("a batch that is normalised over its rows stays whole, however many threads there are, and rates can be scaled", async () => {
  const normalized = { ...EXAMPLE_OPTIONS.deepFm, normalization: "batch" } as const;
  const whole = exampleModel(normalized);
  const settings = { ...parts.session, threads: 2 };
  const here = await createTrainingSession(whole, settings);
  const there = await ThreadedSession.open({
    model: normalized,
    modelSizes: whole.sizes,
    session: settings,
  });
  for (const [seed, rows] of [700, 3, 1100].entries()) {
    const batch = exampleBatch(whole, rows, seed);
    const expected = await here.step(batch);
    const { loss, logits } = await there.step(exampleBatch(whole, rows, seed));
    assert.equal(loss, expected.loss);
    assert.deepEqual(logits, expected.logits);
    await Promise.all([here.setLearningRateScale(0.5), there.setLearningRateScale(0.5)]);
  }
  const weights = await there.weights();
  assert.deepEqual(weights, await here.weights());
  assert.ok(Math.abs(weights.parameters.mean0.data[0]) > 1e-6);
  await Promise.all([here.close(), there.close()]);
});

Deno.test("a scale of the learning rate is for steps that are requested after it, not for those that wait", async () => {
  for (const threads of [1, 2]) {
    const settings = { ...parts, session: { ...parts.session, threads } };
    const here = await createTrainingSession(model, parts.session);
    const there = await ThreadedSession.open(settings);
    for (const session of [here, there]) {
      const waiting = [1, 2, 3].map((seed) => session.step(batchOf(seed, 300)));
      await session.setLearningRateScale(0.5);
      await Promise.all([...waiting, session.step(batchOf(4, 300))]);
    }
    assert.deepEqual(await there.weights(), await here.weights(), `${threads} threads`);
    await Promise.all([here.close(), there.close()]);
  }
});
