/**
 * Validates values by schemas. A value that fails becomes an `invalid-request` problem with its
 * wrong fields.
 */
import type { z } from "zod";
import { present } from "../../structures/invariant.ts";
import { ProblemError } from "../problems.ts";
import { asSentence, type FieldErrorBudget, FieldErrors } from "./field_errors.ts";

/** Fields of an object that are validated; an object of a request has at most eight. */
const FIELDS_MAX = 64;

/**
 * The value as the schema's output.
 *
 * @throws {ProblemError} `invalid-request` with every wrong field.
 */
export function validate<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  requireFewFields(value);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidRequest(result.error.issues, value);
}

/** The problem of schema issues. */
function invalidRequest(issues: readonly z.core.$ZodIssue[], value: unknown): ProblemError {
  const errors = new FieldErrors();
  errors.addIssues(issues, value);
  return fieldProblem(errors);
}

/**
 * The value of one entry of a list as the schema's output.
 *
 * @param base Path of the entry in the body.
 * @throws {ProblemError} `invalid-request` with the wrong fields that the budget allows to list.
 */
export function validateEntry<S extends z.ZodType>(
  schema: S,
  value: unknown,
  base: readonly PropertyKey[],
  budget: FieldErrorBudget,
): z.output<S> {
  requireFewFields(value, base);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  throw fieldProblem(budget.forEntry((errors) => errors.addIssues(issues, value, base)), base);
}

/**
 * Refuses an object of many fields before the schema lists each unknown one.
 *
 * @throws {ProblemError} `invalid-request`.
 */
export function requireFewFields(value: unknown, base: readonly PropertyKey[] = []): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return;
  const count = Object.keys(value).length;
  if (count <= FIELDS_MAX) return;
  const errors = new FieldErrors();
  errors.add(base, `is an object of ${count} fields; send only the fields of /openapi.json`);
  throw fieldProblem(errors, base);
}

/**
 * The problem of collected field errors; there is at least one.
 *
 * @param base Path of the value in the body.
 */
export function fieldProblem(errors: FieldErrors, base: readonly PropertyKey[] = []): ProblemError {
  const list = errors.list(base);
  const first = present(list.at(0), "a failed validation has an issue");
  const more = list.length > 1 ? ` (and ${list.length - 1} more)` : "";
  const where = first.pointer === "#" ? "The body" : first.pointer;
  return new ProblemError("invalid-request", asSentence(`${where} ${first.detail}${more}`), {
    errors: list,
  });
}
