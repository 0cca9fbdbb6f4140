/** Correction of the loss for sampled negatives. */
import assert from "node:assert/strict";
import { evaluate } from "../../../kernels/dense/graph/evaluate.ts";
import { Graph } from "../../../kernels/dense/graph/graph.ts";
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
