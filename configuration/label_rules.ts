/**
 * Derives label rules from `joiner.tasks`: the joiner's rules by task, and the bounds of each
 * action's value, which the API checks before the joiner sees an event.
 */
import type { LabelRule } from "../actors/joiner/options.ts";
import type { ValueBounds } from "../gateway/options.ts";
import { taskOptionsOf } from "./model_options.ts";
import type { CairnFile } from "./schema.ts";

/**
 * The label rules of a task. Default: the action with the task's name is positive or, with squared
 * error, gives its value.
 */
export function labelRulesOf(
  task: string,
  model: CairnFile["model"],
  joiner: CairnFile["joiner"],
): LabelRule[] {
  return fileRulesOf(task, model, joiner)
    .map(({ action, valueAtLeast, valueBelow, label, final }) => ({
      action,
      ...(valueAtLeast === undefined ? {} : { atLeast: valueAtLeast }),
      ...(valueBelow === undefined ? {} : { below: valueBelow }),
      label,
      final,
    }));
}

/** The label rules of a task as the file has them, or as it would spell the default out. */
export function fileRulesOf(
  task: string,
  model: CairnFile["model"],
  { tasks }: CairnFile["joiner"],
): CairnFile["joiner"]["tasks"][string] {
  if (Object.hasOwn(tasks, task)) return tasks[task];
  const label = taskOptionsOf(task, model).loss === "squaredError" ? "value" : "positive";
  return [{ action: task, label, final: false }];
}

/**
 * The declared bounds by action; without valueMin, values from -|valueMax| on. Actions without
 * bounds are left out: their values only have to be finite as 32-bit floats.
 */
export function valueBoundsOf(
  { tasks }: CairnFile["joiner"],
): Readonly<Record<string, ValueBounds>> {
  const declared = new Map<string, { readonly min?: number; readonly max?: number }>();
  for (const { action, valueMin, valueMax } of Object.values(tasks).flat()) {
    if (valueMin === undefined && valueMax === undefined) continue;
    const known = declared.get(action);
    const min = valueMin ?? known?.min, max = valueMax ?? known?.max;
    declared.set(action, {
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
    });
  }
  return Object.fromEntries(
    [...declared].map(([action, { min, max = Infinity }]) =>
      [action, { min: min ?? -Math.abs(max), max }] as const
    ),
  );
}

/**
 * The largest magnitude of a task's labels.
 *
 * @returns Undefined when the task predicts no values, or when a rule takes values without bounds.
 */
export function labelMaxOf(
  task: string,
  model: CairnFile["model"],
  joiner: CairnFile["joiner"],
): number | undefined {
  if (taskOptionsOf(task, model).loss !== "squaredError") return undefined;
  const bounds = valueBoundsOf(joiner);
  const magnitudes = labelRulesOf(task, model, joiner).map((rule) =>
    rule.label === "value" ? largestValue(rule, bounds) : 1
  );
  const largest = Math.max(...magnitudes);
  return Number.isFinite(largest) ? largest : undefined;
}

/** The largest magnitude of a value that a rule takes as the label; Infinity = unbounded. */
export function largestValue(
  { action, atLeast = -Infinity, below = Infinity }: Pick<
    LabelRule,
    "action" | "atLeast" | "below"
  >,
  bounds: Readonly<Record<string, ValueBounds>>,
): number {
  const { min, max } = Object.hasOwn(bounds, action) ? bounds[action] : unbounded;
  return Math.max(Math.abs(Math.max(min, atLeast)), Math.abs(Math.min(max, below)));
}

const unbounded: ValueBounds = { min: -Infinity, max: Infinity };
