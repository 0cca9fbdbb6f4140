/**
 * Validation of several tasks, each by its own scores.
 */
import assert from "node:assert/strict";
import { areaUnderCurve } from "../../../actors/trainer/progressive_validation.ts";
import { TaskValidation } from "../../../actors/trainer/task_validation.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";

const tasks = [
  { name: "clicked", loss: "binaryCrossEntropy" },
  { name: "bought", loss: "binaryCrossEntropy" },
  { name: "minutes", loss: "squaredError" },
] as const;

/** Clicks are predicted right, purchases inverted, and minutes 2 too high. */
function batchOf(rows: number) {
  const labels = new Float32Array(rows * 3), logits = new Float32Array(rows * 3);
  for (let row = 0; row < rows; row++) {
    const label = row % 2;
    labels.set([label, label, row], row * 3);
    logits.set([label ? 2 : -2, label ? -2 : 2, row + 2], row * 3);
  }
  const servedPredictions = new Float32Array(rows).map((_, row) => row % 2 ? 0.6 : 0.4);
  return {
    batch: { rows, labels, logSampleRate: new Float32Array(rows), servedPredictions },
    logits,
  };
}

Deno.test("each task has its own histograms or errors, and the served predictions belong to the first task", () => {
  const validation = new TaskValidation(tasks, 100, new TelemetryRecorder(), { trainer: "0" });
  const { batch, logits } = batchOf(8);
  validation.record(batch, logits);
  const { trained, served } = validation.read();
  assert.deepEqual(Object.keys(trained), ["clicked", "bought", "minutes"]);
  assert.equal(areaUnderCurve(trained.clicked), 1);
  assert.equal(areaUnderCurve(trained.bought), 0);
  assert.ok(Math.abs(trained.clicked.lossSum / 8 - Math.log1p(Math.exp(-2))) < 1e-6);
  assert.equal(trained.minutes.lossSum / trained.minutes.examples, 4);
  assert.equal(trained.minutes.negatives.length, 0);
  assert.equal(areaUnderCurve(served), 1);
});

Deno.test("metrics give each task's AUC and loss over the examples since the last update", () => {
  const telemetry = new TelemetryRecorder();
  const validation = new TaskValidation(tasks, 100, telemetry, { trainer: "0" });
  const of = (name: string, task: string) => telemetry.value(name, { trainer: "0", task });
  const right = batchOf(1000), wrong = batchOf(1000);
  wrong.logits.forEach((logit, i) => wrong.logits[i] = i % 3 === 2 ? logit + 1 : -logit);
  validation.record(right.batch, right.logits);
  assert.equal(of("cairn_trainer_auc", "clicked"), 1);
  assert.equal(of("cairn_trainer_auc", "bought"), 0);
  assert.equal(of("cairn_trainer_task_loss", "minutes"), 4);
  validation.record(wrong.batch, wrong.logits);
  assert.equal(of("cairn_trainer_auc", "clicked"), 0);
  assert.equal(of("cairn_trainer_auc", "bought"), 1);
  assert.equal(of("cairn_trainer_task_loss", "minutes"), 9);
});

Deno.test("calibration is the mean prediction divided by the mean label, also of sampled negatives", () => {
  const telemetry = new TelemetryRecorder();
  const validation = new TaskValidation(tasks.slice(0, 1), 100, telemetry, {});
  const calibration = () => telemetry.value("cairn_trainer_calibration", { task: "clicked" });
  const rows = 1000;
  /** One row in ten is positive, and every row is predicted with the probability. */
  const record = (probability: number, sampleRate: number) =>
    validation.record({
      rows,
      labels: Float32Array.from({ length: rows }, (_, row) => row % 10 === 0 ? 1 : 0),
      logSampleRate: new Float32Array(rows).fill(Math.log(sampleRate)),
      servedPredictions: new Float32Array(rows).fill(NaN),
    }, new Float32Array(rows).fill(Math.log(probability / (1 - probability))));
  record(0.1, 1);
  assert.ok(Math.abs(calibration()! - 1) < 1e-5, `${calibration()}`);
  record(0.2, 1);
  assert.ok(Math.abs(calibration()! - 2) < 1e-5, `${calibration()}`);
  // A quarter of the negatives is kept: a tenth of the kept rows are 1 / 37 of all.
  record(1 / 37, 1 / 4);
  assert.ok(Math.abs(calibration()! - 1) < 1e-5, `${calibration()}`);
});

Deno.test("served predictions are not recorded where the first task predicts a value", () => {
  const validation = new TaskValidation([tasks[2]], 100, new TelemetryRecorder(), {});
  validation.record({
    rows: 2,
    labels: Float32Array.of(5, 6),
    logSampleRate: new Float32Array(2),
    servedPredictions: Float32Array.of(4.5, 6.5),
  }, Float32Array.of(5, 5));
  const { trained, served } = validation.read();
  assert.equal(trained.minutes.lossSum, 1);
  assert.equal(served.examples, 0);
});

Deno.test("with several tasks, a sampled negative also counts for the negatives that were left out", () => {
  const validation = new TaskValidation(tasks.slice(0, 2), 100, new TelemetryRecorder(), {});
  validation.record({
    rows: 2,
    labels: Float32Array.of(1, 0, 0, 0),
    logSampleRate: Float32Array.of(0, Math.log(0.25)),
    servedPredictions: Float32Array.of(0.5, 0.5),
  }, Float32Array.of(1, 1, 0, 0));
  const { clicked } = validation.read().trained;
  assert.equal(clicked.examples, 2);
  assert.ok(Math.abs(clicked.weights - 5) < 1e-6);
  const expected = Math.log1p(Math.exp(-1)) + 4 * Math.log(2);
  assert.ok(Math.abs(clicked.lossSum - expected) < 1e-5, `${clicked.lossSum}`);
});
