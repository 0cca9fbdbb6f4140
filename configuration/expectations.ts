/**
 * Describes the values that the schema expects, and turns validation issues into messages with a
 * remedy.
 */
import type { z } from "zod";
import { pathsWithSameKey } from "./misplaced_keys.ts";
import { type ConfigurationPath, formatPath, type TypedChange } from "./problems.ts";
import { describedSchema, type JsonSchemaNode } from "./schema.ts";
import { hidden, type Secrets } from "./secrets.ts";
import { nearest } from "./suggestions.ts";

/** A problem with the configuration, before its position in the file is known. */
export interface Finding {
  readonly path: ConfigurationPath;
  readonly message: string;
  /** True = report the position of the key, not of the value. */
  readonly atKey?: boolean;
}

/**
 * The findings of a validation issue: one, or one per unknown key.
 *
 * @param value The file's content.
 */
export function explainIssue(
  issue: z.core.$ZodIssue,
  value: unknown,
  secrets: Secrets,
): Finding[] {
  const path = issue.path as (string | number)[];
  if (issue.code === "unrecognized_keys") {
    const known = keysOf(schemaAt(path, value));
    return issue.keys.map((key) => {
      const near = nearest(key, known);
      const elsewhere = pathsWithSameKey([...path, key]);
      const instead = near !== undefined
        ? `did you mean "${near}"?`
        : elsewhere.length > 0
        ? `did you mean ${elsewhere.join(" or ")}?`
        : known.length > 0
        ? `known here: ${known.join(", ")}.`
        : "no key is allowed here.";
      return { path: [...path, key], message: `unknown key; ${instead}`, atKey: true };
    });
  }
  const found = valueAt(value, path);
  const node = schemaAt(path, value);
  const expected = issue.code === "custom"
    ? issue.message
    : issue.code === "invalid_key"
    ? `a key of ${issue.issues[0]?.message ?? "another form"}`
    : expectation(node) ?? issue.message;
  const choices = choicesOf(node);
  const near = typeof found === "string" ? nearest(found, choices) : undefined;
  const instead = near === undefined ? "" : `; did you mean "${near}"?`;
  return [{
    path,
    message: found === undefined
      ? `missing; expected ${expected}`
      : `found ${
        secrets.hides(path) ? hidden(found) : show(found)
      }, expected ${expected}${instead}`,
  }];
}

/**
 * Advice for two mistakes in `--set` options, as the end of a message; empty for other findings.
 *
 * - A kind was set in place of the map that has it (`storage=directory`): advises
 *   `storage.kind=directory`.
 * - An option created a map without its kind (`storage.path=data`): advises to set the whole map.
 */
export function typedInstead(
  { path, made }: TypedChange,
  finding: Finding,
  value: unknown,
): string {
  const typedKind = valueAt(value, path);
  const kinds = schemaAt(path, value)?.oneOf?.map(({ properties }) => properties?.kind?.const);
  if (formatPath(finding.path) === formatPath(path) && kinds?.includes(typedKind)) {
    return `; write --set ${formatPath([...path, "kind"])}=${typedKind}`;
  }
  const [kind, key] = [formatPath([...made, "kind"]), path[made.length]];
  if (path.length <= made.length || key === "kind" || formatPath(finding.path) !== kind) return "";
  const options = (schemaAt(made, {})?.oneOf ?? [])
    .filter((option) => Object.hasOwn(option.properties ?? {}, key)).slice(0, 2);
  const typed = options.map(({ properties, required }) => {
    const others = (required ?? []).filter((name) => name !== "kind" && name !== key);
    const keys = [...others, key].map((name) => `${name}: …`).join(", ");
    return `--set '${formatPath(made)}={ kind: ${properties?.kind?.const}, ${keys} }'`;
  });
  return typed.length === 0 ? "" : `; write ${typed.join(" or ")}`;
}

/** A value in a message: shortened JSON, or the size of a list or map. */
export function show(value: unknown): string {
  if (value === null) return "nothing (null)";
  if (Array.isArray(value)) {
    return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
  }
  if (typeof value === "object") {
    const keys = Object.keys(value);
    return keys.length === 0 ? "an empty map" : `a map with ${keys.slice(0, 4).join(", ")}`;
  }
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/**
 * Describes the values that a schema accepts: `a whole number from 1 to 8`; undefined = unknown.
 */
export function expectation(node: JsonSchemaNode | undefined): string | undefined {
  if (node === undefined) return undefined;
  if (typeof node.expected === "string") return node.expected;
  const choices = choicesOf(node);
  if (choices.length > 0) {
    return choices.length === 1 ? choices[0] : `one of ${choices.join(", ")}`;
  }
  const alternatives = node.oneOf ?? node.anyOf;
  if (alternatives !== undefined) {
    const kinds = alternatives.map((option) => option.properties?.kind?.const);
    return kinds.every((kind) => typeof kind === "string")
      ? `a map whose kind is one of ${kinds.join(", ")}`
      : alternatives.map(expectation).join(" or ");
  }
  switch (node.type) {
    case "integer":
      return `a whole number${range(node)}`;
    case "number":
      return `a number${range(node)}`;
    case "string":
      return Number(node.minLength) > 1
        ? `a text of ${node.minLength} characters or more`
        : "a text";
    case "boolean":
      return "true or false";
    case "array":
      return `a list${counts(node)} of ${plural(expectation(node.items) ?? "values")}`;
    case "object": {
      const keys = keysOf(node);
      return keys.length > 0 ? `a map with ${keys.join(", ")}` : "a map from names to values";
    }
    default:
      return undefined;
  }
}

/**
 * The range of a number: " from 1 to 8", " of 1 or more", " above 0 and at most 1"; empty =
 * unbounded.
 */
function range(node: JsonSchemaNode): string {
  const least = bound(node.minimum);
  const most = bound(node.maximum);
  if (least !== undefined && most !== undefined) return ` from ${least} to ${most}`;
  const above = bound(node.exclusiveMinimum);
  const below = bound(node.exclusiveMaximum);
  const limits = [
    least !== undefined ? `of ${least} or more` : above !== undefined ? `above ${above}` : "",
    most !== undefined ? `at most ${most}` : below !== undefined ? `below ${below}` : "",
  ].filter((limit) => limit !== "");
  return limits.length === 0 ? "" : ` ${limits.join(" and ")}`;
}

function bound(value: unknown): string | undefined {
  return typeof value === "number" && Math.abs(value) < Number.MAX_SAFE_INTEGER
    ? value.toLocaleString("en", { maximumFractionDigits: 20 })
    : undefined;
}

function counts(node: JsonSchemaNode): string {
  const { minItems, maxItems } = node;
  if (minItems !== undefined && maxItems !== undefined) return ` (${minItems} to ${maxItems})`;
  if (minItems !== undefined) return ` (${minItems} or more)`;
  return maxItems !== undefined ? ` (at most ${maxItems})` : "";
}

/** "a whole number …" → "whole numbers …", for the element types of lists. */
function plural(phrase: string): string {
  const match = /^an? (whole number|even number|number|text|map)(.*)$/.exec(phrase);
  return match === null ? phrase : `${match[1]}s${match[2]}`;
}

function choicesOf(node: JsonSchemaNode | undefined): string[] {
  if (node === undefined) return [];
  if (node.const !== undefined) return [String(node.const)];
  if (node.enum !== undefined) return node.enum.map(String);
  const alternatives = node.anyOf ?? [];
  const all = alternatives.map(choicesOf);
  return all.every((choices) => choices.length > 0) ? all.flat() : [];
}

function keysOf(node: JsonSchemaNode | undefined): string[] {
  return Object.keys(node?.properties ?? {});
}

/** The schema of the value at `path`; between alternatives the file's `kind` decides. */
export function schemaAt(path: ConfigurationPath, value: unknown): JsonSchemaNode | undefined {
  let node: JsonSchemaNode | undefined = describedSchema;
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

/** The value at `path`; undefined = there is none. */
export function valueAt(value: unknown, path: ConfigurationPath): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Record<string | number, unknown>)[key];
  }
  return here;
}
