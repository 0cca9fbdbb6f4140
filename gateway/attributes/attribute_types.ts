/**
 * An attribute can be well-formed and still not be what the feature schema reads from it: text where a number
 * belongs. Whoever makes features finds out; this says it in the words of the request.
 */
import type { Attributes, ProfileKind } from "../../mesh/ports/profile_store.ts";
import { describe, pointerOf } from "../parsing/field_errors.ts";
import type { GatewayParts } from "../parts.ts";
import { type FieldError, ProblemError } from "../problems.ts";
import type { RankRequest } from "../schemas/rank.ts";

/** What a feature type error carries; it may come from another thread, so it is known by its name. */
interface FeatureTypeError extends Error {
  readonly source: "user" | "item" | "context";
  readonly attribute: string;
  readonly feature: string;
  readonly expected: string;
  readonly found: unknown;
  readonly itemIndex?: number;
}

/** Whether a ranking failed by what was sent, not by who ranks. */
export function isFeatureTypeError(error: unknown): error is FeatureTypeError {
  return error instanceof Error && error.name === "FeatureTypeError";
}

/** The problem of a ranking request whose features cannot be made; other errors as they are. */
export function rankProblem(error: unknown, request: RankRequest): unknown {
  if (!isFeatureTypeError(error)) return error;
  return attributeProblem(error, fieldOf(error, request));
}

/**
 * @param base Where the profile lies in the body.
 * @throws {ProblemError} Features could not be made of a profile's attributes.
 */
export function requireFeatures(
  { checkProfile }: GatewayParts,
  kind: ProfileKind,
  attributes: Attributes,
  base: readonly number[] = [],
): void {
  try {
    checkProfile?.(kind, attributes);
  } catch (error) {
    if (!isFeatureTypeError(error)) throw error;
    throw attributeProblem(error, {
      pointer: pointerOf([...base, "attributes", error.attribute]),
      detail: `${describe(error.found)}; ${sendExpected(error)}`,
    });
  }
}

function attributeProblem(cause: FeatureTypeError, field: FieldError): ProblemError {
  return new ProblemError("invalid-request", `${field.pointer} ${field.detail}.`, {
    errors: [field],
    cause,
  });
}

/** Where the attribute came from: the request itself, or the stored profile that the request names. */
function fieldOf(error: FeatureTypeError, request: RankRequest): FieldError {
  const { source, attribute, itemIndex = 0 } = error;
  const detail = `${describe(error.found)}; ${sendExpected(error)}`;
  const stored = `has the stored attribute ${JSON.stringify(attribute)}, which ${detail}`;
  switch (source) {
    case "context":
      return { pointer: pointerOf(["context", attribute]), detail };
    case "user":
      return Object.hasOwn(request.userFields ?? {}, attribute)
        ? { pointer: pointerOf(["userFields", attribute]), detail }
        : { pointer: "#/user", detail: `${stored} with PUT /v1/users/{id}` };
    case "item":
      return Object.hasOwn(request.candidates[itemIndex]?.fields ?? {}, attribute)
        ? { pointer: pointerOf(["candidates", itemIndex, "fields", attribute]), detail }
        : {
          pointer: pointerOf(["candidates", itemIndex, "id"]),
          detail: `${stored} with PUT /v1/items/{id}`,
        };
  }
}

function sendExpected({ feature, expected }: FeatureTypeError): string {
  return `the feature "${feature}" reads it, so send ${expected}, or null`;
}
