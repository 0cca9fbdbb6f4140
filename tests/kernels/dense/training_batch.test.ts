/**
 * Batches as arrays: parts, copies and widths, and steps over parts compared with steps over the
 * whole batch.
 */
import assert from "node:assert/strict";
import {
  allocateBatch,
  allocateInOneBuffer,
  buffersOf,
  copyInputs,
  copyResults,
  requireWidths,
  viewOfRows,
} from "../../../kernels/dense/training_batch.ts";
import { createTrainingSession } from "../../../kernels/dense/training_session.ts";
import { present } from "../../../structures/invariant.ts";
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

Deno.test("a part of a batch is a view of its memory, and copying into it changes no other rows", async () => {
  const session = await open();
  const whole = session.allocateBatch(7);
  const part = viewOfRows(whole, 2, 3);
  assert.equal(part.rows, 3);
  copyInputs(exampleBatch(model, 3, 4), part);
  const { sparse, histories, labels } = exampleBatch(model, 3, 4);
  assert.deepEqual(whole.sparse.embeddings.subarray(2 * 12, 5 * 12), sparse.embeddings);
  assert.deepEqual(
    whole.histories!.history2.present.subarray(2 * 3, 5 * 3),
    histories!.history2.present,
  );
  assert.deepEqual([...whole.labels], [0, 0, ...labels, 0, 0]);
  part.results!.gradients.embeddings.fill(5);
  copyResults(part.results!, viewOfRows(whole, 0, 3).results!);
  assert.equal(whole.results!.gradients.embeddings.indexOf(0), 5 * 12);
  assert.equal(new Set(buffersOf(whole)).size, 15 - 4);
  await session.close();
});

Deno.test("a batch in one buffer moves to another thread with it, and none of its arrays overlap", () => {
  const batch = allocateInOneBuffer(model, 5);
  requireWidths(model, batch);
  const [buffer, ...others] = buffersOf(batch);
  assert.deepEqual(others, []);
  copyInputs(exampleBatch(model, 5, 4), batch);
  const results = present(batch.results, "an allocated batch has arrays for results");
  for (const array of [results.logits, ...Object.values(results.gradients)]) array.fill(7);
  const moved = structuredClone(batch, { transfer: [buffer] });
  assert.equal(buffer.byteLength, 0);
  const { sparse, histories, dense, labels } = exampleBatch(model, 5, 4);
  assert.deepEqual({ sparse: moved.sparse, histories: moved.histories }, { sparse, histories });
  assert.deepEqual([moved.dense, moved.labels], [dense, labels]);
  assert.deepEqual(buffersOf(moved).length, 1);
  for (const { byteOffset } of [moved.dense, moved.labels, ...Object.values(moved.sparse)]) {
    assert.equal(byteOffset % 64, 0, "begins a cache line");
  }
});

Deno.test("an array that does not fit the model's widths is refused, naming the array", () => {
  const batch = {
    ...exampleBatch(model, 4),
    results: allocateBatch(model, 4, (length) => new Float32Array(length)).results!,
  };
  requireWidths(model, batch);
  const arrays: [RegExp, object][] = [
    [/"embeddings" has 47 values and needs 4 × 12/, {
      sparse: { ...batch.sparse, embeddings: new Float32Array(47) },
    }],
    [/"first_order" has undefined values/, { sparse: { embeddings: batch.sparse.embeddings } }],
    [/"history2" has undefined values/, { histories: {} }],
    [/"history2's presence" has 5 values and needs 4 × 3/, {
      histories: { history2: { ...batch.histories!.history2, present: new Float32Array(5) } },
    }],
    [/"dense" has 1 values/, { dense: new Float32Array(1) }],
    [/"labels" has 3 values and needs 4 × 1/, { labels: new Float32Array(3) }],
    [/"logSampleRate" has 0 values/, { logSampleRate: new Float32Array(0) }],
    [/"logits" has 0 values/, { results: { ...batch.results, logits: new Float32Array(0) } }],
    [/"first_order's gradients" has undefined/, { results: { ...batch.results, gradients: {} } }],
  ];
  for (const [message, change] of arrays) {
    assert.throws(() => requireWidths(model, { ...batch, ...change }), message);
  }
});

Deno.test("two passes give the loss and gradients of the whole batch", async () => {
  const deep = exampleModel({ ...EXAMPLE_OPTIONS.deepFm, dropout: 0.25 });
  const settings = {
    optimizer: { kind: "adagrad", learningRate: 0.1 },
    threads: 1,
    seed: 3,
  } as const;
  const passes = await createTrainingSession(deep, { ...settings, provider: "cpu" });
  const whole = await createTrainingSession(deep, { ...settings, provider: "reference" });
  for (const seed of [1, 2]) {
    const [found, expected] = [passes, whole].map((session) =>
      session.step(exampleBatch(deep, 1300, seed))
    );
    assert.ok(Math.abs((await found).loss - (await expected).loss) < 1e-6);
    const gradient = (await found).gradients.embeddings;
    const wanted = (await expected).gradients.embeddings;
    assert.ok(
      gradient.every((value, i) => Math.abs(value - wanted[i]) < 1e-7 + 1e-3 * Math.abs(wanted[i])),
    );
  }
  const [found, expected] = [await passes.weights(), await whole.weights()].map(({ parameters }) =>
    parameters.w0.data
  );
  assert.ok(found.every((value, i) => Math.abs(value - expected[i]) < 1e-5));
  await Promise.all([passes.close(), whole.close()]);
});

Deno.test("a step writes into the batch's result arrays, also when several steps are requested at once", async () => {
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
