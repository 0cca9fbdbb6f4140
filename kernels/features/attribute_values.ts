/**
 * Turns one attribute into values: text to hash, or a dense number. Types of attributes are checked
 * here and nowhere else.
 */
import { FeatureTypeError } from "./errors.ts";
import type { AttributeSlot } from "./feature_columns.ts";
import type { FeatureAttributes } from "./feature_request.ts";
import { bucketOf, scale } from "./numbers.ts";
import type { DenseDefinition, FeatureSource } from "./schema.ts";
import type { ValueBuffer } from "./value_buffer.ts";

/** Numbers that the model can read: beyond, float32 has only infinity. */
const FLOAT32_NUMBER = "a number between -3.4e38 and 3.4e38";

/**
 * Appends the slot's values and returns their number.
 *
 * @param id The user's or the item's own id; empty = unknown.
 * @param itemIndex Index of the item in its request, for messages.
 * @throws {FeatureTypeError} The attribute is not of the type that the slot reads.
 */
export function appendValues(
  values: ValueBuffer,
  slot: AttributeSlot,
  id: string,
  attributes: FeatureAttributes,
  itemIndex?: number,
): number {
  if (slot.kind === "id") {
    if (id === "") return 0;
    values.addText(slot.number, id);
    return 1;
  }
  const value = attributes[slot.attribute];
  if (value === undefined || value === null) return 0;
  switch (slot.kind) {
    case "categorical":
      if (typeof value === "string") values.addText(slot.number, value);
      else if (typeof value === "boolean" || isFinite(value)) {
        values.addText(slot.number, String(value));
      } else return wrongType(slot, attributes, "a string, a number or a boolean", itemIndex);
      return 1;
    case "list": {
      if (!isStrings(value)) return wrongType(slot, attributes, "a list of strings", itemIndex);
      const count = Math.min(value.length, slot.valuesMax);
      for (let i = 0; i < count; i++) values.addText(slot.number, value[i]);
      return count;
    }
    case "numeric":
      if (!isFinite(value)) return wrongType(slot, attributes, "a finite number", itemIndex);
      values.addText(slot.number, String(bucketOf(value, slot.buckets)));
      return 1;
    default:
      return slot satisfies never;
  }
}

/**
 * The scaled value of a dense column, 0 where the attribute is absent.
 *
 * @throws {FeatureTypeError} The attribute is no number, or not finite as float32.
 */
export function denseValue(
  definition: DenseDefinition,
  attributes: FeatureAttributes,
  itemIndex?: number,
): number {
  const value = attributes[definition.attribute];
  if (value === undefined || value === null) return 0;
  if (!isFinite(value) || !isFinite(Math.fround(value))) {
    return wrongType(definition, attributes, FLOAT32_NUMBER, itemIndex);
  }
  return scale(value, definition.scaling);
}

function isFinite(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((element) => typeof element === "string");
}

/**
 * Returns 0 where the object merely inherits the attribute, as it does `toString`; otherwise
 * throws.
 */
function wrongType(
  reader: { name: string; source: FeatureSource; attribute: string },
  attributes: FeatureAttributes,
  expected: string,
  itemIndex?: number,
): number {
  if (!Object.hasOwn(attributes, reader.attribute)) return 0;
  const { source, attribute, name } = reader;
  throw new FeatureTypeError(source, attribute, name, expected, attributes[attribute], itemIndex);
}
