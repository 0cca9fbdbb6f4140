import assert from "node:assert/strict";
import type { KeptFeature } from "../../actors/feature_keeper/options.ts";
import { actionLabels } from "../../server/action_labels.ts";

const joiner = {
  windowMs: 60_000,
  tasks: [{ task: "liked", rules: [{ action: "rating", label: "positive" }] }],
} as const;

Deno.test("an action is kept where a feature counts it above or below the line of a rate", () => {
  const common = { by: "item", span: { windowMs: 3_600_000 } } as const;
  const kept: readonly KeptFeature[] = [
    {
      kind: "rate",
      name: "sold",
      of: { action: "purchase" },
      per: { action: "click" },
      prior: { rate: 0.1, weight: 10 },
      ...common,
    },
    { kind: "count", name: "praised", of: { action: "rating", atLeast: 8 }, ...common },
  ];
  const labels = actionLabels(joiner, kept);
  const cases: readonly [string, number | undefined, boolean][] = [
    ["purchase", undefined, true],
    ["click", undefined, true],
    ["rating", 8, true],
    ["rating", 7, false],
    ["clik", undefined, false],
  ];
  for (const [action, value, isKept] of cases) {
    assert.equal(labels.isKept?.(action, value), isKept, `${action} ${value}`);
  }
  assert.equal(actionLabels(joiner, []).isKept?.("click", undefined), false);
});
