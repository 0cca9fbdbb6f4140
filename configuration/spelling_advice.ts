/**
 * Advice for values that other formats spell otherwise: a share in percent, and YAML 1.1's words
 * for true and false.
 */
import type { JsonSchemaNode } from "./schema.ts";

const booleanOf: Readonly<Record<string, boolean>> = {
  yes: true,
  on: true,
  y: true,
  no: false,
  off: false,
  n: false,
};

/** The right spelling as the end of a message; empty where it cannot be guessed. */
export function spellingAdvice(found: unknown, node: JsonSchemaNode | undefined): string {
  if (typeof found !== "string") return "";
  const word = found.toLowerCase();
  if (node?.type === "boolean") {
    return Object.hasOwn(booleanOf, word) ? `; write ${booleanOf[word]}` : "";
  }
  if (node?.type !== "number" || !(Number(node.maximum) <= 1)) return "";
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(found)?.[1];
  return percent === undefined || Number(percent) > 100
    ? ""
    : `; write ${Number((Number(percent) / 100).toPrecision(12))}`;
}
