/**
 * Warnings about settings that are valid but usually a mistake, with their remedies. They are
 * logged at start.
 */
import type { Finding } from "./expectations.ts";
import { rankingsCovering } from "./gateway_options.ts";
import { labelRulesOf, largestValue, valueBoundsOf } from "./label_rules.ts";
import { taskOptionsOf } from "./model_options.ts";
import type { CairnFile } from "./schema.ts";
import { formatDuration } from "./units.ts";

/** The delay of negatives that does not bias a model noticeably, ms. */
const NEGATIVES_DELAY_MS_HARMLESS = 60_000;

type Warn = (file: CairnFile) => Iterable<Finding>;

export function configurationWarnings(file: CairnFile): Finding[] {
  return warnings.flatMap((warn) => [...warn(file)]);
}

/** Values as labels without bounds: training cannot tell a huge value from a mistake. */
function* unboundedLabels({ model, joiner }: CairnFile): Iterable<Finding> {
  const bounds = valueBoundsOf(joiner);
  for (const task of model.tasks) {
    if (taskOptionsOf(task, model).loss !== "squaredError") continue;
    const configured = Object.hasOwn(joiner.tasks, task);
    for (const [i, rule] of labelRulesOf(task, model, joiner).entries()) {
      if (rule.label !== "value" || Number.isFinite(largestValue(rule, bounds))) continue;
      const effect = "has no bounds, so one huge value can disturb training until it is refused";
      yield configured
        ? {
          path: ["joiner", "tasks", task, i, "label"],
          message: `the label ${effect}; add valueMax: … to this rule`,
        }
        : {
          path: ["model", "taskLosses", task],
          message: `the label, the value of the action "${rule.action}", ${effect}; write ` +
            `joiner.tasks: { ${task}: [{ action: ${rule.action}, label: value, valueMax: … }] }`,
          atKey: true,
        };
    }
  }
}

/**
 * Positives that become examples at once while negatives wait for the end of the window: the model
 * sees only positives of new rankings, and predicts too high.
 */
function* earlyPositives({ model, joiner }: CairnFile): Iterable<Finding> {
  if (joiner.window <= NEGATIVES_DELAY_MS_HARMLESS) return;
  for (const task of model.tasks) {
    const rules = Object.hasOwn(joiner.tasks, task) ? joiner.tasks[task] : [];
    if (rules.some(({ label, final }) => label === "negative" && final)) continue;
    const i = rules.findIndex(({ label, final }) => label === "positive" && final);
    if (i < 0) continue;
    const window = formatDuration(joiner.window);
    yield {
      path: ["joiner", "tasks", task, i, "final"],
      message: `positives are learned at once and negatives ${window} later, so predictions are ` +
        "too high; leave final out, so that both are learned at the end of the window, " +
        "shorten joiner.window, or add a rule with label: negative and final: true",
    };
  }
}

/** A gateway that forgets rankings which the joiner still holds: it refuses their events. */
function* forgottenRankings({ gateway, joiner }: CairnFile): Iterable<Finding> {
  const { rankingsRememberedMax: remembered, unknownRankings } = gateway;
  if (unknownRankings === "accept" || remembered === undefined) return;
  const needed = rankingsCovering(joiner);
  if (remembered >= needed) return;
  yield {
    path: ["gateway", "rankingsRememberedMax"],
    message: `found ${remembered}, and joiner.impressionsMax (${joiner.impressionsMax}) needs ` +
      `${needed}: the API refuses events on rankings that the joiner could still join; leave it out`,
  };
}

const warnings: readonly Warn[] = [unboundedLabels, earlyPositives, forgottenRankings];
