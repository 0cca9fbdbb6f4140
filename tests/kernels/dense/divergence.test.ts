/**
 * The watch over the loss: sequences of losses and the first one that it refuses, and the advice in
 * the error.
 */
import assert from "node:assert/strict";
import { divergedAt, LossWatch } from "../../../kernels/dense/divergence.ts";
import { meanCount } from "../../../kernels/dense/losses.ts";

Deno.test("a jump from a nearly perfect loss to an ordinary one is accepted", () => {
  const watch = new LossWatch();
  for (let step = 0; step < 1_000; step++) watch.accept(1e-4);
  assert.equal(watch.refuse(10), undefined, "one wrong certain prediction");
  assert.match(watch.refuse(1_000)!, /over 1000 times its recent mean/);
});

Deno.test("a loss that is not a number is always refused", () => {
  for (const loss of [NaN, Infinity]) {
    assert.equal(new LossWatch().refuse(loss), "the loss is not finite");
  }
});

Deno.test("the first loss is compared with an untrained model's for cross entropy, and accepted for squared error", () => {
  assert.equal(new LossWatch().refuse(100), undefined);
  assert.match(new LossWatch().refuse(1_000)!, /over 1000 times an untrained model's 0\.69/);
  assert.equal(new LossWatch({ explosionFactor: Infinity }).refuse(1e9), undefined);
  assert.equal(new LossWatch({}, [{ loss: "squaredError" }]).refuse(1e12), undefined);
});

Deno.test("the limit scales with the task weights: a heavy task does not look like an explosion, a light one can explode", () => {
  for (const weight of [2000, 1, 1e-4]) {
    const tasks = [{ loss: "binaryCrossEntropy", weight }] as const;
    assert.equal(new LossWatch({}, tasks).refuse(weight * Math.LN2), undefined);
    assert.match(new LossWatch({}, tasks).refuse(weight * 1_000)!, /an untrained model's/);
    const perfect = new LossWatch({}, tasks);
    perfect.accept(weight * 1e-4);
    assert.equal(perfect.refuse(weight * 10), undefined);
    assert.match(perfect.refuse(weight * 1_000)!, /its recent mean/);
  }
});

Deno.test("a small factor accepts the first loss of examples whose log-odds are corrected for sampling", () => {
  const watch = new LossWatch({ explosionFactor: 5 });
  const negative = Math.log1p(1 / 0.001);
  assert.equal(watch.refuse(negative), undefined);
  watch.accept(negative);
  assert.match(watch.refuse(6 * negative)!, /over 5 times its recent mean/);
});

Deno.test("the first loss of several tasks is compared with an untrained model's at the examples' mean weight", () => {
  const tasks = Array(8).fill({ loss: "binaryCrossEntropy" });
  const counted = () => 1 / 0.001;
  const first = 8 * Math.LN2 / 0.001;
  const watch = new LossWatch({ explosionFactor: 5 }, tasks);
  assert.equal(watch.refuse(first, counted), undefined);
  assert.equal(watch.refuse(900 * first, counted), undefined, "at first no factor is below 1000");
  assert.match(watch.refuse(1_100 * first, counted)!, /over 1000 times an untrained model's/);
  assert.match(watch.refuse(1_100 * first)!, /an untrained model's/);
  watch.accept(first);
  assert.match(watch.refuse(6 * first, counted)!, /over 5 times its recent mean/);
});

Deno.test("the first loss is accepted at any size when a task predicts values without bounds", () => {
  const tasks = [{ loss: "binaryCrossEntropy" }, { loss: "squaredError" }] as const;
  assert.equal(new LossWatch({}, tasks).refuse(1e12), undefined);
});

Deno.test("labels within their bounds are no explosion, also after a batch of zeros", () => {
  const seconds = { loss: "squaredError", labelMax: 36_000 } as const;
  const watch = new LossWatch({}, [seconds]);
  watch.accept(0);
  assert.equal(watch.refuse(36_000 ** 2), undefined);
  assert.match(watch.refuse(36_000_000 ** 2) ?? "", /more than labels within their bounds explain/);
  const unbounded = new LossWatch({}, [{ loss: "squaredError" }]);
  unbounded.accept(0);
  assert.match(unbounded.refuse(36_000 ** 2) ?? "", /times its recent mean 0/);
});

Deno.test("the first loss of bounded values is compared with their bounds", () => {
  const watch = new LossWatch({}, [
    { loss: "binaryCrossEntropy" },
    { loss: "squaredError", weight: 0.5, labelMax: 600 },
  ]);
  assert.equal(watch.refuse(0.5 * 1200 ** 2), undefined);
  assert.equal(watch.refuse(10_000 * 0.5 * 1200 ** 2, () => 10_000), undefined);
  assert.match(
    watch.refuse(3e30 ** 2 / 1e40) ?? "",
    /more than labels within their bounds explain/,
  );
});

Deno.test("the mean weight of examples is that of 1 / sample rate for several tasks and 1 for one binary task", () => {
  const rates = Float32Array.of(0, Math.log(0.25), 0, Math.log(0.5));
  const binary = { loss: "binaryCrossEntropy" } as const;
  assert.equal(meanCount([binary], rates), 1);
  assert.ok(Math.abs(meanCount([binary, binary], rates) - 2) < 1e-6);
});

Deno.test("squared errors are compared by their roots, so a heavy-tailed label is accepted", () => {
  const watch = new LossWatch({}, [{ loss: "binaryCrossEntropy" }, { loss: "squaredError" }]);
  watch.accept(300 ** 2);
  assert.equal(watch.refuse(10_000 ** 2), undefined);
  assert.match(watch.refuse(400_000 ** 2)!, /times its recent mean/);
});

Deno.test("the error blames a single huge label and says how to bound it, otherwise it blames the learning rate", () => {
  const batch = {
    rows: 4,
    sparse: { embeddings: new Float32Array(8).fill(0.5) },
    dense: new Float32Array(),
    labels: Float32Array.of(3, 1e30, 2, 4),
    logSampleRate: new Float32Array(4),
  };
  const divergence = { step: 7, learningRate: 0.1, reason: "the loss is not finite" };
  assert.match(
    divergedAt({ ...divergence, loss: Infinity }, batch).message,
    /labels mean 2\.500e\+29, largest 1\.000e\+30, .* The label 1\.000e\+30 alone .* \(valueMax in joiner\.tasks\)/,
  );
  const large = { ...batch, labels: Float32Array.of(3, 1e6, 2, 4) };
  assert.match(divergedAt({ ...divergence, loss: 1e12 / 4 }, large).message, /valueMax/);
  for (
    const [loss, labels] of [
      [1e12, Float32Array.of(3, 5, 2, 4)],
      [NaN, batch.labels],
      [400, Float32Array.of(0, 1, 0, 1)],
    ] as const
  ) {
    const { message } = divergedAt({ ...divergence, loss }, { ...batch, labels });
    assert.match(message, /The weights of step 6 are kept\. Lower the learning rate/);
  }
});
