/**
 * Derives the types of attributes and the rules of scenarios from the file.
 */
import type { AttributeOwner, AttributeType, AttributeTypes } from "../rules/attribute_types.ts";
import type { RuleSet } from "../rules/rule_set.ts";
import { keptOwnerOf } from "./feature_schema.ts";
import type { CairnFile } from "./schema.ts";

type Types = Record<AttributeOwner, Record<string, AttributeType>>;

/** The types of attributes that features read: those of the slots, before the declared ones. */
export function featureAttributeTypes({ features }: Pick<CairnFile, "features">): AttributeTypes {
  const types: Types = { item: {}, user: {}, context: {} };
  const typeOf = { categorical: "label", list: "texts", numeric: "number" } as const;
  for (const [name, slot] of Object.entries(features.slots)) {
    if (slot.kind !== "categorical" && slot.kind !== "list" && slot.kind !== "numeric") continue;
    const { source, attribute = name } = slot;
    // A number suits a categorical slot too.
    if (types[source][attribute] === undefined || types[source][attribute] === "label") {
      types[source][attribute] = typeOf[slot.kind];
    }
  }
  return types;
}

/** The types of all attributes that rules may read. */
export function attributeTypesOf(
  file: Pick<CairnFile, "features" | "attributes" | "kept">,
): AttributeTypes {
  const { item, user, context } = featureAttributeTypes(file);
  const { attributes, kept } = file;
  const keptTypes: Types = { item: {}, user: {}, context: {} };
  for (const [name, feature] of Object.entries(kept.features)) {
    if (feature.kind === "history") keptTypes.user[name] = "texts";
    else keptTypes[keptOwnerOf(feature)][name] = "number";
  }
  return {
    item: { ...item, ...attributes.item, ...keptTypes.item },
    user: { ...user, ...attributes.user, ...keptTypes.user },
    context: { ...context, ...attributes.context },
  };
}

/** Actions of which all events are in a history. */
export function keptHistoriesOf({ kept }: Pick<CairnFile, "kept">): string[] {
  const actions = Object.values(kept.features).flatMap((feature) =>
    feature.kind === "history" && isWhole(feature) ? [feature.action] : []
  );
  return [...new Set(actions)];
}

function isWhole({ valueAtLeast, valueBelow, session }: {
  readonly valueAtLeast?: number | undefined;
  readonly valueBelow?: number | undefined;
  readonly session?: number | undefined;
}): boolean {
  return valueAtLeast === undefined && valueBelow === undefined && session === undefined;
}

/** The rules of each scenario. */
export function scenariosOf({ scenarios }: Pick<CairnFile, "scenarios">): Record<string, RuleSet> {
  return Object.fromEntries(
    Object.entries(scenarios).map(([name, rules]) => {
      const { exclude, filter, boost, rotation, diversity, newItems, pin } = rules;
      return [name, {
        ...(exclude && {
          exclude: exclude.map(({ what, within }) => ({ what, withinMs: within })),
        }),
        ...(filter !== undefined && { filter: [filter] }),
        ...(boost && { boost }),
        ...(rotation && { rotation: { withinMs: rotation.within, penalty: rotation.penalty } }),
        ...(diversity && { diversity }),
        ...(newItems && { newItems }),
        ...(pin && { pin }),
      }];
    }),
  );
}
