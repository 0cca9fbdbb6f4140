/**
 * Label rules as text, where a command says how it reads a file.
 */
import type { LabelRule, TaskLabels } from "../actors/joiner/options.ts";

/** The rules of all tasks, such as `liked is positive for rating of 8 or more`. */
export function describeRules(tasks: readonly TaskLabels[]): string {
  return tasks.map(({ task, rules }) => `${task} is ${rules.map(describeRule).join(", ")}`)
    .join("; ");
}

function describeRule({ action, atLeast, below, label }: LabelRule): string {
  const value = atLeast !== undefined
    ? ` of ${atLeast} or more`
    : below !== undefined
    ? ` below ${below}`
    : "";
  return `${label === "value" ? "the value" : label} for ${action}${value}`;
}
