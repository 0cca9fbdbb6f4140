/**
 * Problems of attributes that are well-formed but of a type that the feature schema cannot read,
 * such as text for a number. Feature extraction throws a `FeatureTypeError`; the functions here
 * turn it into a problem that points to the field of the request.
 */
import type { Attributes, ProfileKind } from "../../mesh/ports/profile_store.ts";
import { type AttributeType, valuesOf, wrongAttribute } from "../../rules/attribute_types.ts";
import { describe, pointerOf } from "../parsing/field_errors.ts";
import type { GatewayParts } from "../parts.ts";
import { type FieldError, ProblemError } from "../problems.ts";
import type { RankRequest } from "../schemas/rank.ts";

/** Shape of a `FeatureTypeError`. It may come from another thread, so its name identifies it. */
interface FeatureTypeError extends Error {
  readonly source: "user" | "item" | "context";
  readonly attribute: string;
  readonly feature: string;
  readonly expected: string;
  readonly found: unknown;
  readonly itemIndex?: number;
}

/** Whether a ranking failed by the attributes that the client sent, not by the ranker. */
export function isFeatureTypeError(error: unknown): error is FeatureTypeError {
  return error instanceof Error && error.name === "FeatureTypeError";
}

/** The problem of a feature type error in a ranking; any other error unchanged. */
export function rankProblem(error: unknown, request: RankRequest): unknown {
  if (!isFeatureTypeError(error)) return error;
  return attributeProblem(error, fieldOf(error, request));
}

/**
 * Requires attributes of which features can be made, and of the types that the configuration
 * declares.
 *
 * @param base Path of the profile in the body.
 * @throws {ProblemError} `invalid-request` that names the attribute.
 */
export function requireFeatures(
  { checkProfile, options }: GatewayParts,
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
  const types = options.attributeTypes[kind];
  const name = wrongAttribute(attributes, types);
  if (name === undefined) return;
  const pointer = pointerOf([...base, "attributes", name]);
  const detail = `${describe(attributes[name])}; ${sendDeclared(types[name])}`;
  throw new ProblemError("invalid-request", `${pointer} ${detail}.`, {
    errors: [{ pointer, detail }],
  });
}

/** The correction of an attribute that is not of its declared type. */
export function sendDeclared(type: AttributeType): string {
  return `rules read it as ${valuesOf[type]}, so send ${valuesOf[type]}, or null`;
}

function attributeProblem(cause: FeatureTypeError, field: FieldError): ProblemError {
  return new ProblemError("invalid-request", `${field.pointer} ${field.detail}.`, {
    errors: [field],
    cause,
  });
}

/** Points to the attribute in the request, or to the id whose stored profile holds it. */
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
