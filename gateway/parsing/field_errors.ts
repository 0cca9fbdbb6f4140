/**
 * Turns schema issues into field errors that a client can act on: the pointer to the field, the
 * value found there, and the value to send instead.
 */
import type { z } from "zod";
import type { FieldError } from "../problems.ts";

/** Errors listed in one answer; further ones are counted. */
const FIELD_ERRORS_MAX = 20;

/** UTF-16 units of a text value that a description shows. */
const SHOWN_UNITS_MAX = 40;

/**
 * @param value The validated value.
 * @param base Path of `value` in the body, for a part that is validated on its own.
 */
export function fieldErrors(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  base: readonly PropertyKey[] = [],
): FieldError[] {
  const errors: FieldError[] = [];
  for (const issue of issues) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        errors.push({
          pointer: pointerOf([...base, ...issue.path, key]),
          detail: `is an unknown field; ${issue.message}`,
        });
      }
      continue;
    }
    const message = issue.code === "invalid_key" ? issue.issues[0].message : issue.message;
    const found = issue.code === "invalid_key"
      ? `has a name of ${String(issue.path.at(-1)).length} characters`
      : describe(valueAt(value, issue.path));
    errors.push({ pointer: pointerOf([...base, ...issue.path]), detail: `${found}; ${message}` });
  }
  if (errors.length <= FIELD_ERRORS_MAX) return errors;
  const more = errors.length - FIELD_ERRORS_MAX;
  return [...errors.slice(0, FIELD_ERRORS_MAX), {
    pointer: pointerOf(base),
    detail: `has ${more} more error${more === 1 ? "" : "s"}; correct these first`,
  }];
}

/** RFC 6901 JSON pointer as a URI fragment. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return "#" + path.map((step) =>
    "/" + encodeURIComponent(
      String(step).toWellFormed().replaceAll("~", "~0").replaceAll("/", "~1"),
    )
  ).join("");
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[step];
  }
  return at;
}

/** Describes the value as the predicate of a sentence about its field: `is a list of 2 entries`. */
export function describe(value: unknown): string {
  if (value === undefined) return "is missing";
  if (value === null) return "is null";
  if (typeof value === "string") {
    if (value.length <= SHOWN_UNITS_MAX) return `is the text ${JSON.stringify(value)}`;
    const shown = JSON.stringify(value.slice(0, SHOWN_UNITS_MAX));
    return `is a text of ${value.length} characters that begins ${shown}`;
  }
  if (Array.isArray(value)) {
    // The reader looks for the entry that is not a text.
    const odd = value.find((entry) => entry === null || /number|boolean/.test(typeof entry));
    const holding = odd === undefined ? "" : ` that holds ${odd}`;
    return `is a list of ${value.length} ${value.length === 1 ? "entry" : "entries"}${holding}`;
  }
  if (typeof value === "object") return "is an object";
  return `is ${String(value)}`;
}
