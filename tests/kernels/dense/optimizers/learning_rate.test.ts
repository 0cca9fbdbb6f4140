/**
 * Learning rate schedules at the first, last and following steps.
 */
import assert from "node:assert/strict";
import { learningRateAt } from "../../../../kernels/dense/optimizers/learning_rate.ts";

Deno.test("the warm-up grows linearly and reaches the full rate at its last step", () => {
  const rates = [1, 2, 4, 5].map((t) => learningRateAt(0.4, t, { warmupSteps: 4 }));
  assert.deepEqual(rates, [0.1, 0.2, 0.4, 0.4]);
});

Deno.test("decays start after the warm-up and end at their final value", () => {
  const at = (t: number, decay: Parameters<typeof learningRateAt>[2] & object) =>
    learningRateAt(1, t, { warmupSteps: 10, ...decay });
  assert.equal(at(20, { decay: { kind: "exponential", factor: 0.5, steps: 10 } }), 0.5);
  assert.equal(at(15, { decay: { kind: "linear", final: 0.2, steps: 10 } }), 0.6);
  assert.equal(at(99, { decay: { kind: "linear", final: 0.25, steps: 10 } }), 0.25);
  assert.equal(
    at(15, { decay: { kind: "cosine", final: 0, steps: 10 } }).toFixed(12),
    "0.500000000000",
  );
  assert.equal(at(40, { decay: { kind: "inverseSquareRoot", steps: 10 } }), 0.5);
});
