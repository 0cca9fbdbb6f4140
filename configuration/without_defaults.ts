/**
 * Takes the defaults out of parsed values, so that builds of which only one knows a field find
 * equal values as long as the field has its default.
 */
import { z } from "zod";
import { present } from "../structures/invariant.ts";

/**
 * A copy of a value without the fields that have their defaults, at every depth, and with the
 * others in the order of their names.
 *
 * A field whose default has changed names the first one: `.default(2).meta({ firstDefault: 1 })`.
 * Builds from before the change take 1 out, so later ones do too: then builds with 1 and with 2
 * find other values where neither is written, and equal ones where either is.
 *
 * @param schema The schema that has parsed the value.
 * @returns Undefined where the value itself is a default.
 */
export function withoutDefaults(schema: z.core.$ZodType, value: unknown): unknown {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "default":
    case "prefault": {
      const { firstDefault = def.defaultValue } = z.globalRegistry.get(schema) ?? {};
      const rest = withoutDefaults(def.innerType, value);
      return isSame(rest, withoutDefaults(def.innerType, firstDefault)) ? undefined : rest;
    }
    case "optional":
      return value === undefined ? undefined : withoutDefaults(def.innerType, value);
    case "object":
      return mapFields(
        value,
        (field, name) =>
          withoutDefaults(present(def.shape[name], "a strict object has no other keys"), field),
      );
    case "record":
      return mapFields(value, (field) => withoutDefaults(def.valueType, field));
    case "array":
      return (value as unknown[]).map((element) => withoutDefaults(def.element, element));
    case "union": {
      if (!("discriminator" in def)) return value;
      const key = def.discriminator as string;
      const kind = (value as Record<string, z.core.util.Primitive>)[key];
      const option = def.options.find(({ _zod }) => _zod.propValues?.[key]?.has(kind));
      return withoutDefaults(present(option, "the schema has parsed the value"), value);
    }
    default:
      return value;
  }
}

function mapFields(value: unknown, change: (field: unknown, name: string) => unknown): object {
  return Object.fromEntries(
    Object.entries(value as object).toSorted(([a], [b]) => a < b ? -1 : 1)
      .map(([name, field]) => [name, change(field, name)] as const)
      .filter(([, field]) => field !== undefined),
  );
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
