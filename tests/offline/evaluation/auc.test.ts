import assert from "node:assert/strict";
import fc from "fast-check";
import { exactAuc, logloss } from "../../../offline/evaluation/auc.ts";

/** By definition: all pairs of a positive and a negative. */
function aucByPairs(scores: readonly number[], labels: readonly number[]): number {
  let [won, pairs] = [0, 0];
  scores.forEach((score, i) =>
    scores.forEach((other, j) => {
      if (labels[i] !== 1 || labels[j] !== 0) return;
      pairs++;
      won += score > other ? 1 : score === other ? 0.5 : 0;
    })
  );
  return won / pairs;
}

Deno.test("the exact AUC is the share of ordered pairs, ties counted half", () => {
  const examples = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 1 })),
    {
      minLength: 2,
      maxLength: 60,
    },
  );
  fc.assert(fc.property(examples, (drawn) => {
    const scores = drawn.map(([score]) => score / 10);
    const labels = drawn.map(([, label]) => label);
    const expected = aucByPairs(scores, labels);
    const actual = exactAuc(scores, labels);
    assert.ok(Number.isNaN(expected) ? Number.isNaN(actual) : Math.abs(actual - expected) < 1e-12);
  }));
});

Deno.test("a perfect order has AUC 1, the reverse 0, and equal scores one half", () => {
  assert.equal(exactAuc([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]), 1);
  assert.equal(exactAuc([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1]), 0);
  assert.equal(exactAuc([0.5, 0.5, 0.5], [0, 1, 1]), 0.5);
  assert.ok(Number.isNaN(exactAuc([0.5], [1])));
});

Deno.test("scores that are not numbers or do not pair with labels are refused", () => {
  assert.throws(() => exactAuc([NaN, 1], [0, 1]), /not a number/);
  assert.throws(() => exactAuc([1], [0, 1]), /do not pair/);
});

Deno.test("logloss is the mean surprise, and certainty in error stays finite", () => {
  assert.ok(Math.abs(logloss([0.5, 0.5], [0, 1]) - Math.LN2) < 1e-12);
  assert.ok(Math.abs(logloss([0.8], [1]) + Math.log(0.8)) < 1e-12);
  assert.ok(Number.isFinite(logloss([0, 1], [1, 0])));
});
