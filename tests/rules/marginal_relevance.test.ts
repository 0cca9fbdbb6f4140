import assert from "node:assert/strict";
import fc from "fast-check";
import { byMarginalRelevance } from "../../rules/marginal_relevance.ts";

const vectors = {
  dim: 2,
  stride: 3,
  values: Float32Array.of(1, 0, 9, 2, 0, 9, 0, 1, 9, 0, 0, 9),
};
const rows = Uint32Array.of(0, 1, 2, 3);
const scores = [1, 0.9, 0.5, 0];

function order(lambda: number, top = 4): number[] {
  return [...byMarginalRelevance({ rows, scores, vectors, lambda, top })];
}

Deno.test("with the whole weight on the score the order stays", () => {
  assert.deepEqual(order(1), [0, 1, 2, 3]);
});

Deno.test("an item that is like a better one comes behind different ones", () => {
  assert.deepEqual(order(0.6), [0, 2, 1, 3], "item 1 points where item 0 does");
  assert.deepEqual(order(0.1), [0, 2, 3, 1]);
});

Deno.test("positions behind the top keep their order", () => {
  assert.deepEqual(order(0.1, 1), [0, 1, 2, 3]);
  assert.deepEqual(order(0.1, 2), [0, 2, 1, 3]);
});

Deno.test("an item behind all others, or equal scores, do no harm", () => {
  const each = (scores: readonly number[]) =>
    byMarginalRelevance({ rows, scores, vectors, lambda: 0.9, top: 4 })[3];
  assert.equal(each([1, 0.9, 0.5, -Infinity]), 3);
  assert.ok([0, 1, 2, 3].includes(each([1, 1, 1, 1])));
  assert.ok([0, 1, 2, 3].includes(each([-Infinity, -Infinity, -Infinity, -Infinity])));
});

Deno.test("each item is there once, whatever scores and vectors are", () => {
  const number = fc.oneof(fc.float({ min: -10, max: 10 }), fc.constantFrom(Infinity, -Infinity));
  fc.assert(fc.property(
    fc.array(fc.record({ x: number, y: number, score: number }), { minLength: 1, maxLength: 20 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.integer({ min: 1, max: 30 }),
    (items, lambda, top) => {
      const sorted = items.toSorted((a, b) => b.score - a.score);
      const result = byMarginalRelevance({
        rows: Uint32Array.from(sorted, (_, i) => i),
        scores: sorted.map(({ score }) => score),
        vectors: {
          dim: 2,
          stride: 2,
          values: Float32Array.from(sorted.flatMap(({ x, y }) => [x, y])),
        },
        lambda,
        top,
      });
      assert.deepEqual([...result].sort((a, b) => a - b), sorted.map((_, i) => i));
    },
  ));
});
