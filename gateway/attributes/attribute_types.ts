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

/** Wrong attributes listed in one problem. */
const ERRORS_MAX = 20;
/** Candidates that are looked at for further wrong attributes, which bounds the work. */
const CANDIDATES_CHECKED_MAX = 50;

type CheckProfile = NonNullable<GatewayParts["checkProfile"]>;

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

/**
 * The problem of a feature type error in a ranking; any other error unchanged.
 *
 * @param checkProfile Finds the other wrong attributes of the request, which the problem then lists
 *   too; absent = the problem has the error alone.
 */
export function rankProblem(
  error: unknown,
  request: RankRequest,
  checkProfile?: CheckProfile,
): unknown {
  if (!isFeatureTypeError(error)) return error;
  const first = fieldOf(error, request);
  const fields = [first];
  for (const field of checkProfile ? wrongFields(checkProfile, request) : []) {
    if (fields.length >= ERRORS_MAX) break;
    if (field.pointer !== first.pointer) fields.push(field);
  }
  return attributeProblem(error, fields);
}

/** The wrong attributes that the request itself has for its user and its first candidates. */
function* wrongFields(
  checkProfile: CheckProfile,
  { userFields, candidates }: RankRequest,
): Generator<FieldError> {
  const owners = [
    { kind: "user", attributes: userFields, base: ["userFields"] },
    ...candidates.slice(0, CANDIDATES_CHECKED_MAX).map(({ fields }, index) => (
      { kind: "item", attributes: fields, base: ["candidates", index, "fields"] } as const
    )),
  ] as const;
  for (const { kind, attributes, base } of owners) {
    for (const error of typeErrors(checkProfile, kind, attributes ?? {})) {
      const detail = `${describe(error.found)}; ${sendExpected(error)}`;
      yield { pointer: pointerOf([...base, error.attribute]), detail };
    }
  }
}

/** The error of each wrong attribute: a check throws the first, so it is repeated without that. */
function* typeErrors(
  checkProfile: CheckProfile,
  kind: ProfileKind,
  attributes: Attributes,
): Generator<FeatureTypeError> {
  for (let rest = attributes;;) {
    try {
      return checkProfile(kind, rest);
    } catch (error) {
      if (!isFeatureTypeError(error)) throw error;
      yield error;
      if (!Object.hasOwn(rest, error.attribute)) return;
      rest = Object.fromEntries(Object.entries(rest).filter(([name]) => name !== error.attribute));
    }
  }
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
  const wrong = checkProfile ? [...typeErrors(checkProfile, kind, attributes)] : [];
  if (wrong.length > 0) {
    const fields = wrong.slice(0, ERRORS_MAX).map((error) => ({
      pointer: pointerOf([...base, "attributes", error.attribute]),
      detail: `${describe(error.found)}; ${sendExpected(error)}`,
    }));
    throw attributeProblem(wrong[0], fields);
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

/** @param fields At least one. */
function attributeProblem(cause: FeatureTypeError, fields: readonly FieldError[]): ProblemError {
  const [{ pointer, detail }] = fields;
  const more = fields.length > 1 ? ` (and ${fields.length - 1} more)` : "";
  return new ProblemError("invalid-request", `${pointer} ${detail}${more}.`, {
    errors: fields,
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
