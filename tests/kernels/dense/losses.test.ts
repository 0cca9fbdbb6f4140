/** Correction of the loss for sampled negatives. */
import assert from "node:assert/strict";
import { evaluate } from "../../../kernels/dense/graph/evaluate.ts";
import { Graph } from "../../../kernels/dense/graph/graph.ts";
import { listMatrix, numberLists } from "../../../kernels/dense/lists.ts";
import { batchLoss } from "../../../kernels/dense/losses.ts";
import type { TaskOptions } from "../../../kernels/dense/models/options.ts";

function lossOf(
  losses: readonly TaskOptions["loss"][],
  logits: readonly number[],
  labels: readonly number[],
  logSampleRate: number,
): number {
  const g = new Graph();
  const tasks = losses.map((loss) => ({ loss, weight: 1 }));
  const loss = batchLoss(g, {
    logits: g.input("logits", ["rows", tasks.length]),
    labels: g.input("labels", ["rows", tasks.length]),
    logSampleRate: g.input("log_sample_rate", ["rows", 1]),
    inverseRows: g.input("inverse_rows", [1]),
  }, tasks);
  const feeds = { logits, labels, log_sample_rate: [logSampleRate], inverse_rows: [1] };
  return evaluate([loss], feeds, { rows: 1 })[0].data[0];
}

Deno.test("with one binary task the logit is corrected by the log of the sample rate", () => {
  const moved = lossOf(["binaryCrossEntropy"], [0.4], [1], Math.log(0.25));
  const expected = lossOf(["binaryCrossEntropy"], [0.4 - Math.log(0.25)], [1], 0);
  assert.ok(Math.abs(moved - expected) < 1e-12);
});

Deno.test("with several tasks or a value an example is weighted by 1 / its sample rate", () => {
  for (
    const losses of [
      ["binaryCrossEntropy", "binaryCrossEntropy"],
      ["binaryCrossEntropy", "squaredError"],
      ["squaredError"],
    ] as const
  ) {
    const [logits, labels] = [[0.4, -1.5], [0, 0]].map((pair) => pair.slice(0, losses.length));
    const alone = lossOf(losses, logits, labels, 0);
    const sampled = lossOf(losses, logits, labels, Math.log(0.25));
    assert.ok(alone > 0 && Math.abs(sampled - 4 * alone) < 1e-9, `${losses}`);
  }
});

Deno.test("with several tasks an example teaches nothing about a task without a label", () => {
  const both = ["binaryCrossEntropy", "binaryCrossEntropy"] as const;
  const second = lossOf(both, [0.4, -1.5], [-1, 1], 0);
  const alone = lossOf(["binaryCrossEntropy"], [-1.5], [1], 0);
  assert.ok(Math.abs(second - alone) < 1e-12);
  const other = lossOf(["binaryCrossEntropy", "squaredError"], [0.4, 3], [-1, 1], 0);
  assert.equal(other, 4, "the squared error of the value");
  assert.equal(lossOf(both, [40, -40], [-1, -1], 0), 0);
});

/** The loss of a batch with lists, beside that without. */
function listLossOf(
  logits: readonly number[],
  labels: readonly number[],
  lists: readonly number[],
  listWeight = 1,
): number {
  const rows = logits.length;
  const lossWith = (weight: number) => {
    const g = new Graph();
    const tasks = [{ loss: "binaryCrossEntropy", weight: 1, listWeight: weight }] as const;
    const loss = batchLoss(g, {
      logits: g.input("logits", ["rows", 1]),
      labels: g.input("labels", ["rows", 1]),
      logSampleRate: g.input("log_sample_rate", ["rows", 1]),
      inverseRows: g.input("inverse_rows", [1]),
      listMatrix: weight > 0 ? g.input("list_matrix", ["rows", "rows"]) : undefined,
    }, tasks);
    const matrix = new Float32Array(rows * rows);
    listMatrix(Float32Array.from(lists), matrix);
    const feeds = {
      logits,
      labels,
      log_sample_rate: logits.map(() => 0),
      inverse_rows: [1 / rows],
      ...(weight > 0 && { list_matrix: [...matrix] }),
    };
    return evaluate([loss], feeds, { rows })[0].data[0];
  };
  return lossWith(listWeight) - lossWith(0);
}

Deno.test("the list loss is the softmax cross-entropy of each list, counted by its rows", () => {
  const softmax = (scores: readonly number[], chosen: number) =>
    Math.exp(scores[chosen]) / scores.reduce((sum, score) => sum + Math.exp(score), 0);
  const [a, b] = [[0.5, -1, 2], [1, 0]];
  const loss = listLossOf([a[0], b[0], a[1], b[1], a[2]], [1, 0, 0, 1, 0], [0, 1, 0, 1, 0]);
  const expected = (-3 * Math.log(softmax(a, 0)) - 2 * Math.log(softmax(b, 1))) / 5;
  assert.ok(Math.abs(loss - expected) < 1e-12, `${loss} ${expected}`);
  const twice = listLossOf(a, [1, 0, 1], [0, 0, 0], 3);
  const both = -1.5 * (Math.log(softmax(a, 0)) + Math.log(softmax(a, 2)));
  assert.ok(Math.abs(twice - 3 * both / 3) < 1e-12, `${twice} ${both}`);
});

Deno.test("a list without a positive, of one row, or of unknown labels has no list loss", () => {
  assert.ok(Math.abs(listLossOf([0.5, -1], [0, 0], [0, 0])) < 1e-12);
  assert.ok(Math.abs(listLossOf([0.5, -1], [1, 1], [0, 1])) < 1e-12);
  assert.ok(Math.abs(listLossOf([0.5, -1], [-1, -1], [0, 0])) < 1e-12);
});

Deno.test("a row without a label of the task is in no list", () => {
  const without = listLossOf([0.5, -1], [1, 0], [0, 0]) * 2;
  const loss = listLossOf([0.5, 3, -1], [1, -1, 0], [0, 0, 0]) * 3;
  assert.ok(Math.abs(loss - without) < 1e-12, `${loss} ${without}`);
});

Deno.test("rows of one ranking get the number of its first row", () => {
  const lists = new Float32Array(5);
  numberLists([7, 9, 7, 0xffff_ffff, 9], lists);
  assert.deepEqual([...lists], [0, 1, 0, 3, 1]);
  numberLists(undefined, lists);
  assert.deepEqual([...lists], [0, 1, 2, 3, 4]);
});
