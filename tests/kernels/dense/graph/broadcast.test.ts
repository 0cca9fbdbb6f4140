/**
 * Broadcasting of random pairs of shapes, against a direct definition by index arithmetic.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { evaluate } from "../../../../kernels/dense/graph/evaluate.ts";
import { Graph } from "../../../../kernels/dense/graph/graph.ts";
import { broadcastShapes, ShapeError } from "../../../../kernels/dense/graph/shape.ts";
import type { InputValue } from "../../../../kernels/dense/graph/value.ts";
import { checkGradients, numbers, weighted } from "../finite_differences.ts";

/** Two shapes that broadcast: a common shape with axes set to 1 or dropped from the left. */
const shapePairs = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }).chain(
  (full) => {
    const part = fc.tuple(
      fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }),
      fc.integer({ min: 0, max: full.length }),
    ).map(([squeezed, dropped]) =>
      full.map((dim, axis) => squeezed[axis] ? 1 : dim).slice(dropped)
    );
    return fc.tuple(part, part);
  },
);

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

Deno.test("elementwise ops broadcast any two fitting shapes, and their gradients are summed to the inputs' shapes", () => {
  fc.assert(
    fc.property(shapePairs, fc.nat(1000), ([left, right], seed) => {
      const g = new Graph();
      const a = g.input("a", left) as InputValue, b = g.input("b", right) as InputValue;
      const y = g.add(g.multiply(a, b), g.subtract(b, g.square(a)));
      const feeds = { a: numbers(size(left), seed), b: numbers(size(right), seed + 1) };

      const [{ shape, data }] = evaluate([y], feeds);
      data.forEach((value, position) => {
        const at = (data: Float64Array, from: readonly number[]) =>
          data[offset(position, shape, from)];
        const x = at(feeds.a, left), z = at(feeds.b, right);
        assert(Math.abs(value - (x * z + (z - x * x))) < 1e-12);
      });

      const probe = weighted(g, y, 1);
      checkGradients(g, probe.loss, [a, b], { ...feeds, ...probe.feeds }, {});
    }),
    { numRuns: 60 },
  );
});

Deno.test("broadcasting is symmetric, and refuses axes that differ", () => {
  fc.assert(fc.property(shapePairs, ([a, b]) => {
    assert.deepEqual(broadcastShapes(a, b), broadcastShapes(b, a));
  }));
  assert.throws(() => broadcastShapes([2, 3], [2]), ShapeError);
  assert.throws(() => broadcastShapes(["rows", 3], [4, 3]), ShapeError);
});

Deno.test("a factor of a broadcast is one of the value that is stretched, and takes in its factor", () => {
  const g = new Graph();
  const x = g.input("x", ["rows", 1]);
  const stretched = g.broadcastTo(g.scale(x, 0.5), ["rows", 3]);
  const doubled = g.scale(stretched, 2);
  assert(doubled.op === "BroadcastTo" && doubled.inputs[0] === x);
  assert.deepEqual([...evaluate([g.scale(stretched, -4)], { x: [1, 3] }, { rows: 2 })[0].data], [
    ...[-2, -2, -2],
    ...[-6, -6, -6],
  ]);
});

/**
 * The offset in a tensor of shape `from` of the element at `position` of its broadcast to `shape`.
 */
function offset(position: number, shape: readonly number[], from: readonly number[]): number {
  let rest = position, result = 0, stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const index = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
    const own = axis - shape.length + from.length;
    if (own < 0) continue;
    if (from[own] > 1) result += index * stride;
    stride *= from[own];
  }
  return result;
}
