/** Correction of the loss for sampled negatives. */
import assert from "node:assert/strict";
import { evaluate } from "../../../kernels/dense/graph/evaluate.ts";
import { gradients } from "../../../kernels/dense/graph/gradients.ts";
import { Graph } from "../../../kernels/dense/graph/graph.ts";
import type { InputValue } from "../../../kernels/dense/graph/value.ts";
import { numberLists } from "../../../kernels/dense/lists.ts";
import { batchLoss } from "../../../kernels/dense/losses.ts";
import type { TaskOptions } from "../../../kernels/dense/models/options.ts";
import { createOnnxSession, onnxRuntime } from "../../../kernels/dense/sessions/onnx_runtime.ts";
import { checkGradients, type Feeds } from "./finite_differences.ts";

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
    inverseRows: g.input("inverse_rows", [1, 1]),
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

/** A batch of one binary task, with a list loss unless the weight is 0. */
function listBatch(
  logits: readonly number[],
  labels: readonly number[],
  lists: readonly number[],
  listWeight: number,
) {
  const rows = logits.length;
  const g = new Graph();
  const tasks = [{ loss: "binaryCrossEntropy", weight: 1, listWeight }] as const;
  const logit = g.input("logits", ["rows", 1]) as InputValue;
  const loss = batchLoss(g, {
    logits: logit,
    labels: g.input("labels", ["rows", 1]),
    logSampleRate: g.input("log_sample_rate", ["rows", 1]),
    inverseRows: g.input("inverse_rows", [1, 1]),
    lists: listWeight > 0 ? g.input("lists", ["rows", 1]) : undefined,
  }, tasks);
  const feeds: Feeds = {
    logits: Float64Array.from(logits),
    labels: Float64Array.from(labels),
    log_sample_rate: new Float64Array(rows),
    inverse_rows: Float64Array.of(1 / rows),
    ...(listWeight > 0 && { lists: Float64Array.from(lists) }),
  };
  return { g, logit, loss, feeds, symbols: { rows } };
}

/** The loss of a batch with lists, beside that without. */
function listLossOf(
  logits: readonly number[],
  labels: readonly number[],
  lists: readonly number[],
  listWeight = 1,
): number {
  const lossWith = (weight: number) => {
    const { loss, feeds, symbols } = listBatch(logits, labels, lists, weight);
    return evaluate([loss], feeds, symbols)[0].data[0];
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

Deno.test("the list loss of large logits is finite, in float32 too", async () => {
  const ort = await onnxRuntime();
  // e^x leaves float32 above 88 and below -103, and float64 above 709.
  for (const [logits, expected] of [[[300, 120, -120], 180], [[-200, -300, -250], 0]] as const) {
    const labels = logits.map((_, row) => Number(row === (expected > 0 ? 1 : 0)));
    const { g, logit, loss, feeds } = listBatch(logits, labels, [0, 0, 0], 1);
    const [gradient] = gradients(g, loss, [logit]);
    const session = await createOnnxSession({
      name: "list_loss",
      documentation: "",
      outputs: { loss, gradient },
      parameters: { kind: "inputs" },
    }, { device: "cpu", threads: 1 });
    const dims: Readonly<Record<string, number[]>> = { inverse_rows: [1, 1] };
    const tensors = Object.fromEntries(
      Object.entries(feeds).map(([name, data]) => {
        return [name, new ort.Tensor("float32", Float32Array.from(data), dims[name] ?? [3, 1])];
      }),
    );
    const found = await session.run(tensors);
    await session.release();
    // A list of three rows counts three times, and the mean divides by three.
    const alone = listBatch(logits, labels, [0, 0, 0], 0);
    const [pointwise] = evaluate([alone.loss], alone.feeds, alone.symbols);
    const total = (found.loss.data as Float32Array)[0];
    assert.ok(Math.abs(total - pointwise.data[0] - expected) < 1e-3, `${total}`);
    const moves = found.gradient.data as Float32Array;
    assert.ok(moves.every(Number.isFinite), `${moves}`);
    assert.ok(expected === 0 || moves[0] >= 1 - 1e-5 && moves[1] <= -1 + 1e-5, `${moves}`);
  }
  assert.ok(Math.abs(listLossOf([2000, 1000], [0, 1], [0, 0]) - 1000) < 1e-9, "in float64");
});

Deno.test("the gradient of the list loss equals finite differences", () => {
  const { g, logit, loss, feeds, symbols } = listBatch(
    [0.5, -1, 2, 400, 401, -3, 0.7],
    [1, 0, 1, 0, 1, 0, -1],
    [0, 0, 0, 3, 3, 5, 0],
    2,
  );
  checkGradients(g, g.reshape(loss, []), [logit], feeds, symbols);
});

Deno.test("rows of one ranking get the number of its first row", () => {
  const lists = new Float32Array(5);
  numberLists([7, 9, 7, 0xffff_ffff, 9], lists);
  assert.deepEqual([...lists], [0, 1, 0, 3, 1]);
  numberLists(undefined, lists);
  assert.deepEqual([...lists], [0, 1, 2, 3, 4]);
});
