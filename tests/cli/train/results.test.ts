import assert from "node:assert/strict";
import { describeEpoch } from "../../../cli/train/results.ts";

const quality = {
  task: "click",
  examples: 10,
  labelMean: 0.5,
  goodness: 0.75,
  auc: 0.75,
  logloss: 0.5,
  meanSquaredError: NaN,
  calibration: 1,
};

Deno.test("an epoch says what it did for the validation file, at which rates, and whether it is the best", () => {
  const epoch = { epoch: 3, loss: 0.25, rateScale: 1 };
  assert.equal(describeEpoch(epoch, true), undefined);
  assert.equal(
    describeEpoch({ ...epoch, validation: quality }, true),
    "epoch 3: loss 0.2500, validation AUC 0.7500 (best)",
  );
  const value = { ...quality, goodness: -1.5, auc: NaN, logloss: NaN, meanSquaredError: 1.5 };
  assert.equal(
    describeEpoch({ ...epoch, rateScale: 0.1 * 0.1, validation: value }, false),
    "epoch 3: loss 0.2500, validation squared error 1.5000, rates × 0.01",
  );
});
