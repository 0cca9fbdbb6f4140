/**
 * Turns validation issues into findings that say what was found, what is expected, and what was
 * probably meant.
 */
import type { z } from "zod";
import { choicesOf, expectation, keysOf } from "./expectations.ts";
import { pathsWithSameKey } from "./misplaced_keys.ts";
import type { Finding } from "./problems.ts";
import { alternativesAt, schemaAt, valueAt } from "./schema_paths.ts";
import { hidden, type Secrets } from "./secrets.ts";
import { spellingAdvice } from "./spelling_advice.ts";
import { misspeltName } from "../structures/nearest_name.ts";
import { unitAdvice } from "./units.ts";

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
      const near = misspeltName(key, known);
      const kinds = kindsWith(key, path, value);
      const elsewhere = pathsWithSameKey([...path, key]);
      const instead = near !== undefined
        ? `did you mean "${near}"?`
        : kinds.length > 0
        ? `only kind: ${kinds.join(" or ")} has it. Known here: ${known.join(", ")}.`
        : elsewhere.length > 0
        ? `did you mean ${elsewhere.join(" or ")}?`
        : known.length > 0
        ? `known here: ${known.join(", ")}.`
        : "no key is allowed here.";
      return { path: [...path, key], message: `unknown key; ${instead}`, atKey: true };
    });
  }
  if (issue.code === "invalid_key") {
    const { expected } = schemaAt(path.slice(0, -1), value)?.propertyNames ?? {};
    const form = expected ?? `a key of ${issue.issues[0]?.message ?? "another form"}`;
    return [{ path, message: `found the key ${show(path.at(-1))}, expected ${form}`, atKey: true }];
  }
  const found = valueAt(value, path);
  const node = schemaAt(path, value);
  const expected = issue.code === "custom" ? issue.message : expectation(node) ?? issue.message;
  const choices = choicesOf(node);
  const near = typeof found === "string" ? misspeltName(found, choices) : undefined;
  const instead = near !== undefined
    ? `; did you mean "${near}"?`
    : node?.range !== undefined && !secrets.hides(path)
    ? unitAdvice(found, node.range)
    : secrets.hides(path)
    ? ""
    : spellingAdvice(found, node);
  return [{
    path,
    message: found === undefined
      ? `missing; expected ${expected}`
      : `found ${
        secrets.hides(path) ? hidden(found) : show(found)
      }, expected ${expected}${instead}`,
  }];
}

/** The other kinds of the map at `path` that have a key. */
function kindsWith(key: string, path: readonly (string | number)[], value: unknown): string[] {
  return alternativesAt(path, value)
    .filter(({ properties = {} }) => Object.hasOwn(properties, key))
    .flatMap(({ properties }) => properties?.kind?.const ?? [])
    .map(String);
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
