/**
 * The rules of a request: its scenario's and its own, with every condition parsed and typed, so
 * that a wrong one is refused with the character where it is wrong.
 */
import type { Attributes } from "../../mesh/ports/profile_store.ts";
import {
  type AttributeOwner,
  type AttributeTypes,
  wrongAttribute,
} from "../../rules/attribute_types.ts";
import { ruleErrors } from "../../rules/rule_errors.ts";
import { mergedRules, type RuleSet } from "../../rules/rule_set.ts";
import { meantName } from "../../structures/nearest_name.ts";
import { sendDeclared } from "../attributes/attribute_types.ts";
import type { GatewayOptions } from "../options.ts";
import type { RequestRules } from "../schemas/rules.ts";
import { describe, FieldErrors } from "./field_errors.ts";
import { fieldProblem } from "./validation.ts";

/** The parts of a request that choose rules, and the attributes that they read. */
export interface RuledRequest {
  readonly rules?: RequestRules | undefined;
  readonly scenario?: string | undefined;
  readonly context?: Attributes | undefined;
  readonly userFields?: Attributes | undefined;
  readonly candidates?: readonly { readonly fields?: Attributes | undefined }[];
}

/**
 * The rules of a request, of its scenario or the default one, and its own; undefined if it has
 * none.
 *
 * @throws {ProblemError} `invalid-request` with the wrong conditions, attributes or scenario.
 */
export function requestRules(
  request: RuledRequest,
  { attributeTypes, keptHistories, scenario: byDefault, scenarios }: Pick<
    GatewayOptions,
    "attributeTypes" | "keptHistories" | "scenario" | "scenarios"
  >,
): RuleSet | undefined {
  const { rules, scenario = byDefault } = request;
  if (rules === undefined && scenario === undefined) return undefined;
  const errors = new FieldErrors();
  const named = scenario === undefined ? {} : scenarioOf(scenario, scenarios, errors);
  const own = rules === undefined ? {} : ruleSetOf(rules);
  const sources = { types: attributeTypes, histories: keptHistories };
  for (const { path, found, correction } of ruleErrors(own, sources)) {
    // A request has one filter, where a rule set has a list of them.
    const [first, ...rest] = path;
    errors.add(
      ["rules", first, ...(first === "filter" ? [] : rest)],
      `${describe(found)}; ${correction}`,
    );
  }
  addWrongAttributes(errors, request, attributeTypes);
  if (errors.count > 0) throw fieldProblem(errors);
  return scenario === undefined ? own : mergedRules(named, own);
}

/** A rule would take an attribute of another type for absent. */
function addWrongAttributes(
  errors: FieldErrors,
  { context, userFields, candidates = [] }: RuledRequest,
  types: AttributeTypes,
): void {
  const check = (path: readonly PropertyKey[], attributes: Attributes, owner: AttributeOwner) => {
    const name = wrongAttribute(attributes, types[owner]);
    if (name === undefined) return;
    const correction = sendDeclared(types[owner][name]);
    errors.add([...path, name], `${describe(attributes[name])}; ${correction}`);
  };
  if (context !== undefined) check(["context"], context, "context");
  if (userFields !== undefined) check(["userFields"], userFields, "user");
  for (let i = 0; i < candidates.length && !errors.isFull; i++) {
    const { fields } = candidates[i];
    if (fields !== undefined) check(["candidates", i, "fields"], fields, "item");
  }
}

function scenarioOf(
  name: string,
  scenarios: GatewayOptions["scenarios"],
  errors: FieldErrors,
): RuleSet {
  if (Object.hasOwn(scenarios, name)) return scenarios[name];
  const known = Object.keys(scenarios);
  const instead = known.length === 0
    ? "leave it out; cairn.yaml has no scenarios"
    : `send one of cairn.yaml: ${known.slice(0, 20).join(", ")}`;
  const near = meantName(name, known);
  const meant = near === undefined ? "" : ` (did you mean ${near}?)`;
  errors.add(["scenario"], `${describe(name)}; ${instead}${meant}`);
  return {};
}

function ruleSetOf({ filter, ...rest }: RequestRules): RuleSet {
  const { boost, diversity, exclude, newItems, pin, rotation } = rest;
  return {
    ...(exclude && {
      exclude: exclude.map(({ what, withinSeconds }) => {
        return { what, withinMs: 1_000 * withinSeconds };
      }),
    }),
    ...(rotation && {
      rotation: { withinMs: 1_000 * rotation.withinSeconds, penalty: rotation.penalty },
    }),
    ...(filter !== undefined && { filter: [filter] }),
    ...(boost && { boost }),
    ...(diversity && { diversity }),
    ...(newItems && { newItems }),
    ...(pin && { pin }),
  };
}
