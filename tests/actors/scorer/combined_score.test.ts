/**
 * One score of several tasks' predictions.
 */
import assert from "node:assert/strict";
import { CombinedScore } from "../../../actors/scorer/row_scores.ts";

const CLICK = { loss: "binaryCrossEntropy" } as const;
const MINUTES = { loss: "squaredError" } as const;

Deno.test("the score is the sum of the tasks' predictions, each times its weight", () => {
  const score = new CombinedScore([CLICK, MINUTES], [1, 0.125]);
  const predictions = Float32Array.of(0.5, 4, 0.25, 8); // [2 rows, 2 tasks]
  assert.equal(score.of(predictions, 0), 1);
  assert.equal(score.of(predictions, 1), 1.25);
  assert(!score.isPrediction);
});

Deno.test("a task that counts nothing cannot spoil the score, and one may count against it", () => {
  assert.equal(new CombinedScore([CLICK, MINUTES], [1, 0]).of(Float32Array.of(0.5, NaN), 0), 0.5);
  assert.equal(new CombinedScore([CLICK, CLICK], [1, -2]).of(Float32Array.of(0.5, 0.25), 0), 0);
});

Deno.test("explained is the logit where one task makes the score, else the score", () => {
  const outputs = Float32Array.of(9, 0, 4); // logits of two tasks and a value
  const tasks = [CLICK, CLICK, MINUTES];
  assert.equal(new CombinedScore(tasks, [1, 0, 0]).explained(outputs, 0), 9);
  assert.equal(new CombinedScore(tasks, [0, 2, 0.25]).explained(outputs, 0), 2);
  assert(new CombinedScore([CLICK], [1]).isPrediction);
});
