/**
 * Turns actions into labels: each task has an ordered list of rules, and the first one that matches
 * an action decides.
 *
 * One item may get several actions (a click, then a purchase, then a return). Per task the last
 * matching action in the order of the event log wins, so that a `return` undoes a `purchase`.
 */
import type { LabelRule, TaskLabels } from "./options.ts";

/** The labels that one action gives. */
export interface Verdict {
  /** `[tasks]`; undefined for a task without a matching rule. */
  readonly labels: readonly (number | undefined)[];
  /** Whether the item's example is complete. */
  readonly final: boolean;
}

export class LabelRules {
  readonly #tasks: readonly TaskLabels[];
  readonly #actions: ReadonlySet<string>;

  constructor(tasks: readonly TaskLabels[]) {
    this.#tasks = tasks;
    this.#actions = new Set(tasks.flatMap((task) => task.rules.map((rule) => rule.action)));
  }

  /**
   * The verdict on an action; undefined if no rule of any task matches.
   *
   * ```ts
   * import assert from "node:assert/strict";
   * import { LabelRules } from "./label_rules.ts";
   *
   * const rules = new LabelRules([{
   *   task: "liked",
   *   rules: [
   *     { action: "rating", atLeast: 8, label: "positive", final: true },
   *     { action: "rating", label: "negative" },
   *   ],
   * }]);
   * assert.deepEqual(rules.judge("rating", 9), { labels: [1], final: true });
   * assert.deepEqual(rules.judge("rating", 3), { labels: [0], final: false });
   * assert.equal(rules.judge("click", undefined), undefined);
   * ```
   */
  judge(action: string, value: number | undefined): Verdict | undefined {
    if (!this.#actions.has(action)) return undefined;
    const rules = this.#tasks.map((task) =>
      task.rules.find((rule) => matches(rule, action, value))
    );
    if (rules.every((rule) => rule === undefined)) return undefined;
    return {
      labels: rules.map((rule) => rule && labelOf(rule, value)),
      final: rules.some((rule) => rule?.final === true),
    };
  }
}

function labelOf({ label }: LabelRule, value: number | undefined): number | undefined {
  if (label === "value") return value;
  return label === "positive" ? 1 : 0;
}

/**
 * A rule with a bound, or with the label `value`, never matches an action without a value (or with
 * NaN). Labels are float32, so a `value` rule does not match a value outside float32: an infinite
 * label would stop training.
 */
function matches(rule: LabelRule, action: string, value: number | undefined): boolean {
  if (rule.action !== action) return false;
  if (rule.label === "value" && !Number.isFinite(Math.fround(value ?? NaN))) return false;
  if (rule.atLeast !== undefined && !(value !== undefined && value >= rule.atLeast)) return false;
  if (rule.below !== undefined && !(value !== undefined && value < rule.below)) return false;
  return true;
}
