/**
 * Checks of tasks: losses, score weights and label rules must fit the model's tasks.
 */
import type { ConfigurationPath, Finding } from "../problems.ts";
import type { CairnFile } from "../schema.ts";
import { formatDuration } from "../units.ts";
import { type Sections, unknownName } from "./check.ts";

/** Unknown tasks, tasks without label rules and score weights without effect. */
export function* tasks({ model, joiner, ranker }: Sections): Iterable<Finding> {
  if (model === undefined) return;
  for (const [i, task] of model.tasks.entries()) {
    if (model.tasks.indexOf(task) < i) {
      yield { path: ["model", "tasks", i], message: `duplicate task "${task}"; keep one` };
    }
  }
  yield* knownTasks(["model", "taskLosses"], Object.keys(model.taskLosses), model.tasks);
  yield* knownTasks(["model", "taskWeights"], Object.keys(model.taskWeights), model.tasks);
  if (ranker !== undefined) {
    const weights = Object.entries(ranker.scoreWeights);
    yield* knownTasks(["ranker", "scoreWeights"], weights.map(([task]) => task), model.tasks);
    if (weights.length > 0 && model.tasks.length === 1) {
      yield {
        path: ["ranker", "scoreWeights"],
        message:
          "the model has one task, whose prediction is the score; leave scoreWeights out, or add tasks",
      };
    } else if (weights.length > 0 && weights.every(([, weight]) => weight === 0)) {
      yield {
        path: ["ranker", "scoreWeights"],
        message:
          "every weight is 0, so all items would have the same score; set a weight other than 0",
      };
    }
  }
  if (joiner === undefined) return;
  yield* knownTasks(["joiner", "lateLabels"], Object.keys(joiner.lateLabels), model.tasks);
  const ruled = Object.keys(joiner.tasks);
  yield* knownTasks(["joiner", "tasks"], ruled, model.tasks);
  // A misspelt task is reported once, as unknown, and not again as missing.
  if (ruled.length === 0 || ruled.some((task) => !model.tasks.includes(task))) return;
  for (const task of new Set(model.tasks)) {
    if (ruled.includes(task)) continue;
    yield {
      path: ["joiner", "tasks"],
      message: `has no rule for the model's task "${task}", which would learn only negatives; ` +
        `add ${task}: [{ action: ${task}, label: ${
          learnsValues(task, model) ? "value" : "positive"
        } }], or take it out of model.tasks`,
      atKey: true,
    };
  }
}

function* knownTasks(
  path: ConfigurationPath,
  names: readonly string[],
  known: readonly string[],
): Iterable<Finding> {
  for (const name of names) {
    if (known.includes(name)) continue;
    yield { ...unknownName([...path, name], name, "task of the model", known), atKey: true };
  }
}

/** Late labels that come before the window ends, or of a task that predicts values. */
export function* lateLabels({ model, joiner }: Sections): Iterable<Finding> {
  for (const [task, lateMs] of Object.entries(joiner?.lateLabels ?? {})) {
    const path = ["joiner", "lateLabels", task];
    if (model?.tasks.includes(task) && learnsValues(task, model)) {
      yield {
        path,
        message: `"${task}" predicts a value, and only positive labels are learned from late; ` +
          "leave it out, or lengthen joiner.window",
      };
    } else if (joiner !== undefined && lateMs <= joiner.window) {
      yield {
        path,
        message: `found ${formatDuration(lateMs)}, and the window is ${
          formatDuration(joiner.window)
        }: write a longer time than joiner.window, or leave it out`,
      };
    }
  }
}

/**
 * Label rules that match nothing or whose label does not fit the task's loss, and contradicting
 * bounds of an action's value.
 */
export function* labelRules({ model, joiner }: Sections): Iterable<Finding> {
  for (const [task, rules] of Object.entries(joiner?.tasks ?? {})) {
    for (const [i, { valueAtLeast, valueBelow, label }] of rules.entries()) {
      if (label === "value" && model?.tasks.includes(task) && !learnsValues(task, model)) {
        yield {
          path: ["joiner", "tasks", task, i, "label"],
          message: `found value, and "${task}" predicts a probability; write positive ` +
            `or negative, or set model.taskLosses: { ${task}: squaredError }`,
        };
      }
      if (valueAtLeast !== undefined && valueBelow !== undefined && valueAtLeast >= valueBelow) {
        yield {
          path: ["joiner", "tasks", task, i],
          message: `found valueAtLeast ${valueAtLeast} and valueBelow ${valueBelow}: ` +
            "no value matches both; expected valueAtLeast < valueBelow",
        };
      }
    }
  }
}

function learnsValues(task: string, { taskLosses }: CairnFile["model"]): boolean {
  return Object.hasOwn(taskLosses, task) && taskLosses[task] === "squaredError";
}

/** Bounds of an action's value that are empty, or that rules declare differently. */
export function* valueBounds({ joiner }: Sections): Iterable<Finding> {
  const declared = new Map<string, number>();
  for (const [task, rules] of Object.entries(joiner?.tasks ?? {})) {
    for (const [i, rule] of rules.entries()) {
      const path = ["joiner", "tasks", task, i];
      for (const key of ["valueMin", "valueMax"] as const) {
        const bound = rule[key];
        if (bound === undefined) continue;
        const other = declared.get(`${key} ${rule.action}`) ?? bound;
        declared.set(`${key} ${rule.action}`, other);
        if (other === bound) continue;
        yield {
          path: [...path, key],
          message: `found ${bound}, and another rule for "${rule.action}" has ${other}; the ` +
            "bounds of an action are the same in all rules, so keep one",
        };
      }
      const { valueMin = -Infinity, valueMax = Infinity } = rule;
      if (valueMin > valueMax) {
        yield {
          path: [...path, "valueMax"],
          message: `found ${valueMax}, expected a number of valueMin (${valueMin}) or more`,
        };
      }
    }
  }
}
