import assert from "node:assert/strict";
import { LossWatch } from "../../../kernels/dense/divergence.ts";

Deno.test("a model that predicted perfectly may be surprised without being stopped", () => {
  const watch = new LossWatch();
  for (let step = 0; step < 1_000; step++) watch.accept(1e-4);
  assert.equal(watch.refuse(10), undefined, "one wrong certain prediction");
  assert.match(watch.refuse(1_000)!, /over 1000 times its recent mean/);
});

Deno.test("a loss that is no number is refused, whatever came before", () => {
  for (const loss of [NaN, Infinity]) {
    assert.equal(new LossWatch().refuse(loss), "the loss is not finite");
  }
});

Deno.test("the first loss may be anything finite", () => {
  assert.equal(new LossWatch().refuse(1), undefined);
});

Deno.test("a squared error of a heavy tail is learned from: errors are compared, not their squares", () => {
  const watch = new LossWatch({}, [{ loss: "binaryCrossEntropy" }, { loss: "squaredError" }]);
  watch.accept(300 ** 2);
  assert.equal(watch.refuse(10_000 ** 2), undefined);
  assert.match(watch.refuse(400_000 ** 2)!, /times its recent mean/);
});
