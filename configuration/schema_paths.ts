/**
 * Finds the value and the schema at a path of the file.
 */
import type { ConfigurationPath } from "./problems.ts";
import { describedSchema, type JsonSchemaNode } from "./schema.ts";

/** The schema of the value at `path`; between alternatives the file's `kind` decides. */
export function schemaAt(path: ConfigurationPath, value: unknown): JsonSchemaNode | undefined {
  let node: JsonSchemaNode | undefined = describedSchema();
  let here = value;
  for (let depth = 0; node !== undefined; depth++) {
    const key = path[depth];
    const options: readonly JsonSchemaNode[] | undefined = node.oneOf;
    if (options !== undefined && key !== undefined) {
      const kind = valueAt(here, ["kind"]);
      if (key === "kind") {
        return { enum: options.map((option) => option.properties?.kind?.const) };
      }
      node = options.find((option) => option.properties?.kind?.const === kind);
    } else if (options !== undefined) {
      const kind = valueAt(here, ["kind"]);
      node = options.find((option) => option.properties?.kind?.const === kind) ?? node;
    }
    if (depth === path.length || node === undefined) return node;
    node = typeof key === "number"
      ? node.items
      : node.properties !== undefined && Object.hasOwn(node.properties, key)
      ? node.properties[key]
      : typeof node.additionalProperties === "object"
      ? node.additionalProperties
      : undefined;
    here = valueAt(here, [key]);
  }
  return node;
}

/** The alternatives for the value at `path`, by kind; empty where there is one form alone. */
export function alternativesAt(path: ConfigurationPath, value: unknown): readonly JsonSchemaNode[] {
  const key = path.at(-1);
  const parent = schemaAt(path.slice(0, -1), value);
  const node = typeof key === "number" ? parent?.items : parent?.properties?.[key ?? ""];
  return node?.oneOf ?? [];
}

/** The value at `path`; undefined = there is none. */
export function valueAt(value: unknown, path: ConfigurationPath): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Record<string | number, unknown>)[key];
  }
  return here;
}
