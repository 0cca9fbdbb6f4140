/**
 * Describes in words the values that the schema accepts.
 */
import type { JsonSchemaNode } from "./schema.ts";

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

/** The texts that a schema accepts; empty = others too. */
export function choicesOf(node: JsonSchemaNode | undefined): string[] {
  if (node === undefined) return [];
  if (node.const !== undefined) return [String(node.const)];
  if (node.enum !== undefined) return node.enum.map(String);
  const alternatives = node.anyOf ?? [];
  const all = alternatives.map(choicesOf);
  return all.every((choices) => choices.length > 0) ? all.flat() : [];
}

/** The keys of a map with fixed keys. */
export function keysOf(node: JsonSchemaNode | undefined): string[] {
  return Object.keys(node?.properties ?? {});
}
