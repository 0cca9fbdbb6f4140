/**
 * Checks of rules: declared types that contradict features, and scenarios with wrong conditions.
 */
import { type AttributeType, valuesOf } from "../../rules/attribute_types.ts";
import { ruleErrors } from "../../rules/rule_errors.ts";
import type { ConfigurationPath, Finding } from "../problems.ts";
import {
  attributeTypesOf,
  featureAttributeTypes,
  keptHistoriesOf,
  scenariosOf,
} from "../scenarios.ts";
import { type Sections, unknownName } from "./check.ts";

/** Attributes that are declared as another type than their feature reads. */
export function* attributeTypes({ features, attributes }: Sections): Iterable<Finding> {
  if (features === undefined || attributes === undefined) return;
  const read = featureAttributeTypes({ features });
  for (const owner of ["item", "user", "context"] as const) {
    for (const [name, type] of Object.entries(attributes[owner])) {
      const known: AttributeType | undefined = Object.hasOwn(read[owner], name)
        ? read[owner][name]
        : undefined;
      const fits = known === undefined || known === type || known === "label" && type !== "texts";
      if (fits) continue;
      yield {
        path: ["attributes", owner, name],
        message: `found "${type}", but a feature reads it as ${valuesOf[known]}; leave it out here`,
      };
    }
  }
}

/** Scenarios with conditions, attributes or pins that are wrong, and a default that is none. */
export function* scenarios(
  { features, attributes, kept, ranker, scenarios }: Sections,
): Iterable<Finding> {
  const byDefault = ranker?.scenario;
  const names = Object.keys(scenarios ?? {});
  if (byDefault !== undefined && !names.includes(byDefault)) {
    yield unknownName(["ranker", "scenario"], byDefault, "scenario", names);
  }
  if (features === undefined || attributes === undefined || kept === undefined) return;
  if (scenarios === undefined) return;
  const types = attributeTypesOf({ features, attributes, kept });
  const sources = { types, histories: keptHistoriesOf({ kept }) };
  for (const [name, rules] of Object.entries(scenariosOf({ scenarios }))) {
    for (const { path: [first, ...rest], correction } of ruleErrors(rules, sources)) {
      // The file has one filter, where a rule set has a list of them.
      const inside: ConfigurationPath = first === "filter" ? [first] : [first, ...rest];
      yield { path: ["scenarios", name, ...inside], message: correction };
    }
  }
}
