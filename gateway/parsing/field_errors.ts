/**
 * Turns what a schema found into errors that a client can act on: where the field is, what stands there, and what
 * to send instead.
 */
import type { z } from "zod";
import type { FieldError } from "../problems.ts";

/** Errors listed in one answer; the rest is counted. */
export const fieldErrorsMax = 20;

const shownUnitsMax = 40;

/**
 * @param value What was validated.
 * @param base Where `value` lies in the body, for parts validated by themselves.
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
  if (errors.length <= fieldErrorsMax) return errors;
  const more = errors.length - fieldErrorsMax;
  return [...errors.slice(0, fieldErrorsMax), {
    pointer: pointerOf(base),
    detail: `has ${more} more error${more === 1 ? "" : "s"}; mend these first`,
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

/** What stands there, as the predicate of a sentence about the field. */
export function describe(value: unknown): string {
  if (value === undefined) return "is missing";
  if (value === null) return "is null";
  if (typeof value === "string") {
    if (value.length <= shownUnitsMax) return `is the text ${JSON.stringify(value)}`;
    const shown = JSON.stringify(value.slice(0, shownUnitsMax));
    return `is a text of ${value.length} characters that begins ${shown}`;
  }
  if (Array.isArray(value)) {
    // In a list of texts, the entry that is none is what the reader looks for.
    const odd = value.find((entry) => entry === null || /number|boolean/.test(typeof entry));
    const holding = odd === undefined ? "" : ` that holds ${odd}`;
    return `is a list of ${value.length} ${value.length === 1 ? "entry" : "entries"}${holding}`;
  }
  if (typeof value === "object") return "is an object";
  return `is ${String(value)}`;
}
