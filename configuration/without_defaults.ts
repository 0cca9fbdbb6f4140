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
 * find other values where neither is written, and equal ones where either is. `null` stands for no
 * value: a field that was optional or required before it got a default has `firstDefault: null`,
 * and one that had the default 1 and is optional now has 1.
 *
 * @param schema The schema that has parsed the value; fields of the value may be left out.
 * @returns Undefined where the value itself is a default.
 */
export function withoutDefaults(schema: z.core.$ZodType, value: unknown): unknown {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (value === undefined && def.type !== "optional") return undefined;
  switch (def.type) {
    case "default":
    case "prefault":
      return unlessFirst(schema, def.innerType, value, def.defaultValue);
    case "optional":
      return unlessFirst(schema, def.innerType, value ?? null, null);
    case "object": {
      const fields = value as Readonly<Record<string, unknown>>;
      return mapFields(def.shape, (field, name) => withoutDefaults(field, fields[name]));
    }
    case "record":
      return mapFields(
        value as Readonly<Record<string, unknown>>,
        (field) => withoutDefaults(def.valueType, field),
      );
    case "array":
      return (value as unknown[]).map((element) => withoutDefaults(def.element, element));
    case "union": {
      if (!("discriminator" in def)) {
        if (typeof value === "object") throw unknown("union without a discriminator");
        return value;
      }
      const key = def.discriminator as string;
      const kind = (value as Record<string, z.core.util.Primitive>)[key];
      const option = def.options.find(({ _zod }) => _zod.propValues?.[key]?.has(kind));
      return withoutDefaults(present(option, "the schema has parsed the value"), value);
    }
    case "string":
    case "number":
    case "boolean":
    case "literal":
    case "enum":
    case "pipe": // a text with a unit
      return value;
    default:
      throw unknown(def.type);
  }
}

function unknown(type: string): Error {
  return new Error(`The defaults inside a ${type} cannot be left out; teach withoutDefaults to.`);
}

/** The value without its own defaults; undefined where it is the first default. `null` = none. */
function unlessFirst(
  schema: z.core.$ZodType,
  inner: z.core.$ZodType,
  value: unknown,
  now: unknown,
): unknown {
  const { firstDefault = now } = z.globalRegistry.get(schema) ?? {};
  const [rest, first] = [value, firstDefault].map((each) =>
    each === null ? null : withoutDefaults(inner, each)
  );
  return JSON.stringify(rest) === JSON.stringify(first) ? undefined : rest;
}

function mapFields<T>(
  fields: Readonly<Record<string, T>>,
  change: (field: T, name: string) => unknown,
): object {
  return Object.fromEntries(
    Object.entries(fields).toSorted(([a], [b]) => a < b ? -1 : 1)
      .map(([name, field]) => [name, change(field, name)] as const)
      .filter(([, field]) => field !== undefined),
  );
}
