/**
 * Checks rules: conditions that cannot be parsed or typed, unknown attributes, and pins that
 * contradict each other. The configuration checks scenarios with it, the gateway requests.
 */
import { meantName } from "../structures/nearest_name.ts";
import type { AttributeTypes } from "./attribute_types.ts";
import { ExpressionError } from "./expression.ts";
import { parseCondition } from "./parse_expression.ts";
import type { RuleSet } from "./rule_set.ts";

/** A wrong value of a rule set. */
export interface RuleError {
  /** Keys and indices from the rule set to the value. */
  readonly path: readonly [keyof RuleSet, ...(string | number)[]];
  readonly found: unknown;
  /** The correction, with the character for a condition. */
  readonly correction: string;
}

/** The action of an item that a ranking showed. */
export const SHOWN = "shown";

/** The attributes that rules may read, and the actions of which histories are kept. */
export interface RuleSources {
  readonly types: AttributeTypes;
  readonly histories: readonly string[];
}

/** All errors of a rule set. */
export function ruleErrors(rules: RuleSet, { types, histories }: RuleSources): RuleError[] {
  const errors: RuleError[] = [];
  const check = (path: RuleError["path"], text: string) => {
    try {
      parseCondition(text, types);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      errors.push({ path, found: text, correction: error.message });
    }
  };
  rules.filter?.forEach((text, i) => check(["filter", i], text));
  rules.boost?.forEach(({ when }, i) => check(["boost", i, "when"], when));
  if (rules.newItems !== undefined) check(["newItems", "when"], rules.newItems.when);
  const requireHistory = (path: RuleError["path"], action: string) => {
    if (histories.includes(action)) return;
    const known = histories.length === 0 ? "none is" : `kept: ${histories.join(", ")}`;
    const correction = `no history of this action is kept (${known}); add ` +
      `{ kind: history, action: ${action}, last: 100 } to kept.features in cairn.yaml`;
    errors.push({ path, found: action, correction });
  };
  rules.exclude?.forEach(({ what }, i) => requireHistory(["exclude", i, "what"], what));
  if (rules.rotation !== undefined && !histories.includes(SHOWN)) {
    requireHistory(["rotation"], SHOWN);
  }
  const { diversity, pin = [] } = rules;
  if (diversity?.kind === "cap" && !Object.hasOwn(types.item, diversity.by)) {
    const known = Object.keys(types.item);
    const near = meantName(diversity.by, known);
    const instead = near !== undefined
      ? `did you mean ${near}?`
      : known.length > 0
      ? `known: ${known.slice(0, 20).join(", ")}`
      : "declare it under attributes.item in cairn.yaml";
    const correction = `no such attribute of items is declared; ${instead}`;
    errors.push({ path: ["diversity", "by"], found: diversity.by, correction });
  }
  pin.forEach(({ item, position }, i) => {
    const earlier = pin.slice(0, i);
    if (earlier.some((other) => other.item === item)) {
      errors.push({ path: ["pin", i, "item"], found: item, correction: "pin each item once" });
    } else if (earlier.some((other) => other.position === position)) {
      const correction = "pin one item at a position";
      errors.push({ path: ["pin", i, "position"], found: position, correction });
    }
  });
  return errors;
}
