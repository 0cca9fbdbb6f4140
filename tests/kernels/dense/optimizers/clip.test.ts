/**
 * Clipping by global norm.
 */
import assert from "node:assert/strict";
import { evaluate } from "../../../../kernels/dense/graph/evaluate.ts";
import { Graph } from "../../../../kernels/dense/graph/graph.ts";
import { clipByGlobalNorm } from "../../../../kernels/dense/optimizers/clip_by_global_norm.ts";

function clip(gradient: number[], normMax: number): number[] {
  const g = new Graph();
  const x = g.input("gradient", [1, gradient.length]);
  const y = clipByGlobalNorm(g, x, g.reduceSumSquare(x, [0, 1]), normMax);
  return [...evaluate([y], { gradient })[0].data];
}

Deno.test("a gradient above the limit keeps its direction and is scaled to the limit", () => {
  const [x, y] = clip([30, 40], 5);
  assert(Math.abs(x - 3) < 1e-5 && Math.abs(y - 4) < 1e-5);
});

Deno.test("gradients below the limit, including zero, are unchanged", () => {
  assert.deepEqual(clip([3, 4], 6), [3, 4]);
  assert.deepEqual(clip([0, 0], 1), [0, 0]);
});
