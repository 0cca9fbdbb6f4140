/**
 * Tells the gateway which actions decide a label, so that it can answer that nothing will be
 * learned from an event.
 */
import { counts } from "../actors/feature_keeper/number_columns.ts";
import type { KeptFeature } from "../actors/feature_keeper/options.ts";
import { LabelRules } from "../actors/joiner/label_rules.ts";
import type { JoinerOptions } from "../actors/joiner/options.ts";
import type { ActionLabels } from "../gateway/parts.ts";

/**
 * @param tasks At least one task with at least one rule, as the configuration guarantees.
 * @param kept Features that count actions too, whether or not a label rule reads them.
 */
export function actionLabels(
  { tasks, windowMs }: Pick<JoinerOptions, "tasks" | "windowMs">,
  kept: readonly KeptFeature[],
): ActionLabels {
  const rules = tasks.flatMap((task) => task.rules);
  const judge = new LabelRules(tasks);
  const [{ action, atLeast, below }] = rules;
  const value = atLeast ?? (below === undefined ? undefined : below - 1);
  return {
    decides: (action, value) => judge.judge(action, value) !== undefined,
    isPositive: (action, value) =>
      judge.judge(action, value)?.labels.some((label) => (label ?? 0) !== 0) === true,
    learnedWithinMs: (action, value) => {
      const labels = judge.judge(action, value)?.labels ?? [];
      const lateMs = tasks.map(({ lateMs = 0 }, task) => labels[task] === 1 ? lateMs : 0);
      return Math.max(windowMs, ...lateMs);
    },
    isKept: (action, value) =>
      kept.some((feature) =>
        counts(feature.of, { action, value }) ||
        (feature.kind === "rate" && counts(feature.per, { action, value }))
      ),
    actions: [...new Set(rules.map((rule) => rule.action))],
    example: { action, ...(value !== undefined && { value }) },
  };
}
