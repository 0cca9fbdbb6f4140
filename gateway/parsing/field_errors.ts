/**
 * Turns schema issues into field errors that a client can act on: the pointer to the field, the
 * value found there, and the value to send instead.
 */
import type { z } from "zod";
import type { FieldError } from "../problems.ts";
import { unknownFieldCorrection } from "../schemas/registry.ts";
import { attributeIssues } from "./attribute_check.ts";

/** Errors listed in one answer. */
const FIELD_ERRORS_MAX = 20;

/** UTF-16 units of a text value that a description shows. */
const SHOWN_UNITS_MAX = 40;

/**
 * The errors of one request, or of one entry of a list. Takes errors up to a limit, so that a body
 * of wrong fields costs no more to answer than to read.
 */
export class FieldErrors {
  readonly #errors: FieldError[] = [];
  readonly #max: number;
  #hasMore = false;

  /** @param max Errors that are listed; from 1. */
  constructor(max = FIELD_ERRORS_MAX) {
    this.#max = max;
  }

  get count(): number {
    return this.#errors.length;
  }

  /** True when further errors would not be listed: the caller may stop looking for them. */
  get isFull(): boolean {
    return this.#hasMore;
  }

  /**
   * Adds the errors of schema issues.
   *
   * @param value The validated value.
   * @param base Path of `value` in the body.
   */
  addIssues(
    issues: readonly z.core.$ZodIssue[],
    value: unknown,
    base: readonly PropertyKey[] = [],
  ): void {
    for (const issue of issues) {
      if (issue.code === "unrecognized_keys") {
        for (const key of issue.keys) {
          if (this.isFull) return;
          const correction = unknownFieldCorrection(key, issue.message);
          this.add([...base, ...issue.path, key], `is an unknown field; ${correction}`);
        }
      } else {
        if (this.isFull) return;
        const path = [...base, ...issue.path];
        const found = valueAt(value, issue.path);
        if (issue.code === "custom" && issue.params?.attributes) this.#addAttributes(found, path);
        else this.add(path, `${describe(found)}; ${asText(issue, found) ?? issue.message}`);
      }
    }
  }

  #addAttributes(attributes: unknown, path: readonly PropertyKey[]): void {
    const left = this.#max - this.#errors.length;
    for (const { name, found, message } of attributeIssues(attributes, left + 1)) {
      const at = name === undefined ? path : [...path, name];
      this.add(at, `${found ?? describe(valueAt(attributes, at.slice(path.length)))}; ${message}`);
    }
  }

  /** Adds an error; one that repeats the last one is left out, as of two bounds with one text. */
  add(path: readonly PropertyKey[], detail: string): void {
    const pointer = pointerOf(path);
    const last = this.#errors.at(-1);
    if (last?.pointer === pointer && last.detail === detail) return;
    if (this.#errors.length < this.#max) this.#errors.push({ pointer, detail });
    else this.#hasMore = true;
  }

  /** The errors, with a last entry on `base` when there are more than are listed. */
  list(base: readonly PropertyKey[] = []): FieldError[] {
    if (!this.#hasMore) return this.#errors;
    const detail = "has more errors; correct these first";
    return [...this.#errors, { pointer: pointerOf(base), detail }];
  }
}

/** Shares the errors that one answer lists among the entries of a list; each may have one. */
export class FieldErrorBudget {
  #left = FIELD_ERRORS_MAX;

  /** Collects the errors of one entry. */
  forEntry(collect: (errors: FieldErrors) => void): FieldErrors {
    const errors = new FieldErrors(Math.max(1, this.#left));
    collect(errors);
    this.#left -= errors.count;
    return errors;
  }
}

/** A text that ends in one mark: a full stop where it has none. */
export function asSentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
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

/** The text to send where a number was sent, as an id often is; undefined for other issues. */
function asText(issue: z.core.$ZodIssue, found: unknown): string | undefined {
  const isNumber = issue.code === "invalid_type" && issue.expected === "string" &&
    typeof found === "number";
  return isNumber ? `send text: "${found}"` : undefined;
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
