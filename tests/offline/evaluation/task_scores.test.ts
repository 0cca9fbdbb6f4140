import assert from "node:assert/strict";
import type { LabelledBatch } from "../../../offline/datasets/example_table.ts";
import { TaskScores } from "../../../offline/evaluation/task_scores.ts";

/** Two tasks; the scores and labels of a row are adjacent. */
function scoresOf(scores: readonly number[], labels: readonly number[]): TaskScores {
  const tasks = new TaskScores([
    { name: "click", loss: "binaryCrossEntropy" },
    { name: "stars", loss: "squaredError" },
  ]);
  const batch = { features: { rows: scores.length / 2 }, labels } as unknown as LabelledBatch;
  tasks.add(batch, Float64Array.from(scores));
  return tasks;
}

Deno.test("the calibration of each task is its mean prediction by its mean label", () => {
  const tasks = scoresOf([0.5, 3, 0.25, 4, 0.75, 2], [1, 4, 0, 5, 0, 3]);
  const [click, stars] = tasks.qualities();
  assert.equal(click.calibration, 1.5);
  assert.equal(stars.calibration, 9 / 12);
  assert.equal(tasks.qualities(2)[0].examples, 1);
});

Deno.test("without a positive label there is no calibration", () => {
  const [click] = scoresOf([0.5, 1], [0, 1]).qualities();
  assert.ok(Number.isNaN(click.calibration) && Number.isNaN(click.auc));
});
