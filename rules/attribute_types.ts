/**
 * The types of attributes in rules. Those of features follow from the slots that read them; the
 * configuration declares the others under `attributes`.
 */
import type { Attributes, AttributeValue } from "../mesh/ports/profile_store.ts";

/**
 * - `text`, `number`, `boolean`: one value of this type;
 * - `texts`: a list of texts;
 * - `label`: a text, a number or a boolean that is compared as text, as categorical slots read it.
 */
export type AttributeType = "text" | "number" | "boolean" | "texts" | "label";

/** The owner of an attribute; context = the request. */
export type AttributeOwner = "item" | "user" | "context";

/** Types by owner and name. */
export type AttributeTypes = Readonly<
  Record<AttributeOwner, Readonly<Record<string, AttributeType>>>
>;

/** The description of a type's values in a message. */
export const valuesOf: Readonly<Record<AttributeType, string>> = {
  text: "a text",
  number: "a number",
  boolean: "true or false",
  texts: "a list of texts",
  label: "a text, a number, true or false",
};

/** Whether a value is of a type; an absent one is. */
export function isOfType(value: AttributeValue | undefined, type: AttributeType): boolean {
  if (value === undefined || value === null) return true;
  switch (type) {
    case "text":
      return typeof value === "string";
    case "texts":
      return Array.isArray(value);
    case "label":
      return !Array.isArray(value);
    case "number":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    default:
      return type satisfies never;
  }
}

/** The first attribute that is not of its type; undefined if all are, or have no type. */
export function wrongAttribute(
  attributes: Attributes,
  types: Readonly<Record<string, AttributeType>>,
): string | undefined {
  return Object.keys(attributes).find((name) =>
    Object.hasOwn(types, name) && !isOfType(attributes[name], types[name])
  );
}
