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
  { tasks }: CairnFile["joiner"],
): LabelRule[] {
  if (!Object.hasOwn(tasks, task)) {
    const label = taskOptionsOf(task, model).loss === "squaredError" ? "value" : "positive";
    return [{ action: task, label }];
  }
  return tasks[task].map(({ action, valueAtLeast, valueBelow, label, final }) => ({
    action,
    ...(valueAtLeast === undefined ? {} : { atLeast: valueAtLeast }),
    ...(valueBelow === undefined ? {} : { below: valueBelow }),
    label,
    final,
  }));
}

/**
 * The declared bounds by action. Actions without bounds are left out: their values only have to be
 * finite as 32-bit floats.
 */
export function valueBoundsOf(
  { tasks }: CairnFile["joiner"],
): Readonly<Record<string, ValueBounds>> {
  const bounds: Record<string, ValueBounds> = {};
  for (const { action, valueMin, valueMax } of Object.values(tasks).flat()) {
    if (valueMin === undefined && valueMax === undefined) continue;
    const { min, max } = Object.hasOwn(bounds, action) ? bounds[action] : unbounded;
    bounds[action] = { min: valueMin ?? min, max: valueMax ?? max };
  }
  return bounds;
}

const unbounded: ValueBounds = { min: -Infinity, max: Infinity };
