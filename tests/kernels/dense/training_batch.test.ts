import assert from "node:assert/strict";
import { batchOfRows, buffersOf } from "../../../kernels/dense/training_batch.ts";
import { createTrainingSession } from "../../../kernels/dense/training_session.ts";
import { EXAMPLE_OPTIONS, exampleBatch, exampleModel } from "./models/example_models.ts";

const model = exampleModel(EXAMPLE_OPTIONS.wideAndDeep);

function open() {
  return createTrainingSession(model, {
    optimizer: { kind: "sgd", learningRate: 0.1 },
    provider: "cpu",
    threads: 1,
    seed: 3,
  });
}

Deno.test("a batch of fewer rows lies in the same memory, and of more rows again", async () => {
  const session = await open();
  const whole = session.allocateBatch(7);
  const part = batchOfRows(whole, 3);
  assert.equal(part.sparse.embeddings.length, 3 * 4 * 3);
  assert.equal(part.sequences!.history2.present.length, 3 * 3);
  assert.equal(part.results!.logits.length, 3);
  part.results!.gradients.embeddings.fill(5);
  assert.equal(whole.results!.gradients.embeddings[3 * 4 * 3 - 1], 5);
  assert.deepEqual(batchOfRows(part, 7), whole);
  assert.equal(new Set(buffersOf(part)).size, buffersOf(whole).length);
  await session.close();
});

Deno.test("a step writes its results into the batch's arrays, and several steps may be asked for at once", async () => {
  const [session, other] = [await open(), await open()];
  const examples = [1, 2, 3].map((seed) => exampleBatch(model, 5, seed));
  const expected = [];
  for (const example of examples) expected.push(structuredClone(await other.step(example)));
  const batches = examples.map((example) => ({
    ...example,
    results: session.allocateBatch(5).results!,
  }));
  const steps = await Promise.all(batches.map((batch) => session.step(batch)));
  for (const [i, { loss, logits, gradients }] of steps.entries()) {
    assert.equal(loss, expected[i].loss);
    assert.equal(logits, batches[i].results.logits);
    assert.equal(gradients.history2, batches[i].results.gradients.history2);
    assert.deepEqual({ logits, gradients }, {
      logits: expected[i].logits,
      gradients: expected[i].gradients,
    });
  }
  await Promise.all([session.close(), other.close()]);
});
