/**
 * Validates the body of `POST /v1/rank`.
 */
import { CANDIDATES_MAX } from "../options.ts";
import { ProblemError } from "../problems.ts";
import { type RankRequest, rankRequestSchema } from "../schemas/rank.ts";
import { idPattern } from "../schemas/values.ts";
import { repeatsIn } from "./repeated_ids.ts";
import { validate } from "./request_body.ts";

/**
 * The body as a ranking request whose candidates are distinct.
 *
 * @throws {ProblemError} `invalid-request` with every wrong field.
 */
export function parseRankRequest(body: unknown): RankRequest {
  const request = validated(body);
  requireDistinct(request);
  return request;
}

/**
 * Skips the schema for candidates that are ids alone, as in most requests: only the first of them
 * is validated by the schema. The schema makes several objects per candidate, which for a hundred
 * candidates is a third of the garbage of a ranking.
 */
function validated(body: unknown): RankRequest {
  const candidates = plainCandidates(body);
  if (candidates === undefined) return validate(rankRequestSchema, body);
  const [first] = candidates;
  return { ...validate(rankRequestSchema, { ...body as object, candidates: [first] }), candidates };
}

/** The candidates when each is a valid id and nothing else; else undefined. */
function plainCandidates(body: unknown): RankRequest["candidates"] | undefined {
  const candidates = (body as Partial<RankRequest> | null)?.candidates;
  if (!Array.isArray(candidates)) return undefined;
  if (candidates.length === 0 || candidates.length > CANDIDATES_MAX) return undefined;
  return candidates.every(isPlain) ? candidates : undefined;
}

function isPlain(candidate: unknown): boolean {
  if (typeof candidate !== "object" || candidate === null) return false;
  for (const key in candidate) if (key !== "id") return false;
  const { id } = candidate as { readonly id?: unknown };
  return typeof id === "string" && idPattern.test(id);
}

function requireDistinct({ candidates }: RankRequest): void {
  const repeats = repeatsIn(candidates);
  if (repeats.length === 0) return;
  const errors = repeats.map(({ index, firstIndex }) => ({
    pointer: `#/candidates/${index}/id`,
    detail: `repeats candidate ${firstIndex}, ${
      JSON.stringify(candidates[index].id)
    }; send each item once`,
  }));
  throw new ProblemError("invalid-request", `${errors[0].pointer} ${errors[0].detail}.`, {
    errors,
  });
}
