/**
 * The attributes that features and rules read, with an example value of each.
 */
import type { KnownAttributes } from "../gateway/attributes/known_attributes.ts";
import type { Attributes } from "../mesh/ports/profile_store.ts";
import type { AttributeType, AttributeTypes } from "../rules/attribute_types.ts";
import type { FeatureSchema, FeatureSource } from "../kernels/features/schema.ts";

export function knownAttributes(
  { slots, dense, keptOfItems = [] }: FeatureSchema,
  types: AttributeTypes,
): KnownAttributes {
  const known: Record<FeatureSource, Record<string, Attributes[string]>> = {
    user: {},
    item: {},
    context: {},
  };
  for (const slot of slots) {
    if (slot.kind !== "categorical" && slot.kind !== "list") continue;
    const { attribute, kind, source } = slot;
    known[source][attribute] = kind === "list"
      ? [`${attribute}-1`, `${attribute}-2`]
      : `${attribute}-1`;
  }
  // Last: a slot that takes text takes a number too, so a number suits every reader of the
  // attribute.
  const numbers = [...slots.filter((slot) => slot.kind === "numeric"), ...dense];
  for (const { attribute, source } of numbers) known[source][attribute] = 1;
  for (const owner of ["user", "item", "context"] as const) {
    for (const [name, type] of Object.entries(types[owner])) {
      known[owner][name] ??= exampleOf(name, type);
    }
  }
  // Kept numbers are read from the keepers alone: a value that a client sends changes nothing.
  for (const name of keptOfItems) delete known.item[name];
  return known;
}

function exampleOf(name: string, type: AttributeType): Attributes[string] {
  switch (type) {
    case "number":
      return 1;
    case "boolean":
      return true;
    case "texts":
      return [`${name}-1`, `${name}-2`];
    default:
      return `${name}-1`;
  }
}
