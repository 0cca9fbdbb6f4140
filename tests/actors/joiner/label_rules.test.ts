import assert from "node:assert/strict";
import { LabelRules } from "../../../actors/joiner/label_rules.ts";

const RATINGS = [{
  task: "liked",
  rules: [
    { action: "rating", atLeast: 8, label: "positive", final: true },
    { action: "rating", label: "negative", final: true },
  ],
}] as const;

const SHOP = [
  { task: "click", rules: [{ action: "click", label: "positive" }] },
  {
    task: "purchase",
    rules: [
      { action: "purchase", label: "positive", final: true },
      { action: "return", label: "negative", final: true },
    ],
  },
] as const;

Deno.test("the first rule that matches decides", () => {
  const rules = new LabelRules(RATINGS);
  assert.deepEqual(rules.judge("rating", 8), { labels: [1], final: true });
  assert.deepEqual(rules.judge("rating", 7.99), { labels: [0], final: true });
});

Deno.test("an action that no rule names has no verdict", () => {
  assert.equal(new LabelRules(RATINGS).judge("click", undefined), undefined);
});

Deno.test("a rule with a bound does not match an action without a value", () => {
  const rules = new LabelRules([{
    task: "watched",
    rules: [{ action: "watch", atLeast: 30, label: "positive" }],
  }]);
  assert.equal(rules.judge("watch", undefined), undefined);
  assert.equal(rules.judge("watch", NaN), undefined);
  assert.deepEqual(rules.judge("watch", 30), { labels: [1], final: false });
});

Deno.test("bounds are inclusive below and exclusive above", () => {
  const rules = new LabelRules([{
    task: "middling",
    rules: [{ action: "rating", atLeast: 4, below: 6, label: "positive" }],
  }]);
  assert.deepEqual([3.9, 4, 5.9, 6].map((value) => rules.judge("rating", value) !== undefined), [
    false,
    true,
    true,
    false,
  ]);
});

Deno.test("an action speaks only for the tasks that have a rule for it", () => {
  const rules = new LabelRules(SHOP);
  assert.deepEqual(rules.judge("click", undefined), { labels: [1, undefined], final: false });
  assert.deepEqual(rules.judge("purchase", 12), { labels: [undefined, 1], final: true });
  assert.deepEqual(rules.judge("return", undefined), { labels: [undefined, 0], final: true });
});

Deno.test("a value rule gives the action's own value, and matches no action without one", () => {
  const rules = new LabelRules([
    { task: "watched", rules: [{ action: "watch", atLeast: 1, label: "positive" }] },
    { task: "minutes", rules: [{ action: "watch", label: "value" }] },
  ]);
  assert.deepEqual(rules.judge("watch", 12.5), { labels: [1, 12.5], final: false });
  assert.deepEqual(rules.judge("watch", -3), { labels: [undefined, -3], final: false });
  assert.deepEqual(rules.judge("watch", 0), { labels: [undefined, 0], final: false });
  assert.equal(rules.judge("watch", undefined), undefined);
  assert.deepEqual(rules.judge("watch", Infinity), { labels: [1, undefined], final: false });
  const above = 2 ** 128; // float32 ends below
  assert.deepEqual(rules.judge("watch", above), { labels: [1, undefined], final: false });
});
