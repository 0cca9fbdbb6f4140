/**
 * Validates the body of `POST /v1/rank`.
 */
import { idPattern } from "../../records/client_ids.ts";
import { CANDIDATES_MAX } from "../options.ts";
import { candidateSchema, type RankRequest, rankRequestSchema } from "../schemas/rank.ts";
import { FieldErrors } from "./field_errors.ts";
import { type BodyText, parseBody } from "./request_body.ts";
import { splitCandidates } from "./plain_candidates.ts";
import { repeatsIn } from "./repeated_ids.ts";
import { fieldProblem, requireFewFields } from "./validation.ts";

/** Stands for valid candidates while the schema validates the other fields. */
const validCandidates: RankRequest["candidates"] = [{ id: "a" }];

const utf8 = new TextEncoder();

/**
 * The text of a body as a ranking request; like {@link parseRankRequest} of its value, in a quarter
 * of the time where the candidates are ids alone.
 *
 * @throws {ProblemError} `malformed-json`, or `invalid-request` with the wrong fields.
 */
export function parseRankText(body: BodyText): RankRequest {
  const split = splitCandidates(body);
  if (split === undefined) return parseRankRequest(parseBody(body));
  const { candidates, others: text } = split;
  let others: object;
  try {
    others = parseBody({ bytes: utf8.encode(text), text }) as object;
  } catch {
    // The error of a text that is not JSON names a position in the whole of it.
    return parseRankRequest(parseBody(body));
  }
  return parseRankRequest({ ...others, candidates }, true);
}

/**
 * The body as a ranking request whose candidates are distinct.
 *
 * The schema of the whole request would make several objects per candidate, which for a hundred
 * candidates is a third of the garbage of a ranking, and would validate any number of them before
 * it counts them. So candidates are counted first and then validated one by one; those that are ids
 * alone, as in most requests, need no schema.
 *
 * @param areCandidatesValid Each candidate was found to be a valid id and nothing else.
 * @throws {ProblemError} `invalid-request` with the wrong fields.
 */
export function parseRankRequest(body: unknown, areCandidatesValid = false): RankRequest {
  requireFewFields(body);
  const errors = new FieldErrors();
  const candidates = candidatesOf(body);
  const inLimits = candidates !== undefined && candidates.length >= 1 &&
    candidates.length <= CANDIDATES_MAX;
  const withoutCandidates = candidates === undefined
    ? body
    : { ...body as object, candidates: inLimits ? validCandidates : [] };
  const parsed = rankRequestSchema.safeParse(withoutCandidates);
  if (!parsed.success) errors.addIssues(parsed.error.issues, body);
  if (inLimits && !areCandidatesValid) addCandidateErrors(errors, candidates);
  if (!parsed.success || errors.count > 0) throw fieldProblem(errors);

  const request = { ...parsed.data, candidates: candidates as RankRequest["candidates"] };
  addRepeats(errors, request.candidates);
  if (request.shown !== undefined) addShownErrors(errors, request.shown, request.candidates);
  if (request.shown !== undefined && request.awaitShown) {
    errors.add(["awaitShown"], "comes with shown; send shown now, or awaitShown and report later");
  }
  if (errors.count > 0) throw fieldProblem(errors);
  return request;
}

/** The candidates as they were sent; undefined when they are not a list. */
function candidatesOf(body: unknown): readonly unknown[] | undefined {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return undefined;
  const { candidates } = body as { readonly candidates?: unknown };
  return Array.isArray(candidates) ? candidates : undefined;
}

function addCandidateErrors(errors: FieldErrors, candidates: readonly unknown[]): void {
  for (let i = 0; i < candidates.length && !errors.isFull; i++) {
    if (isPlain(candidates[i])) continue;
    requireFewFields(candidates[i], ["candidates", i]);
    const parsed = candidateSchema.safeParse(candidates[i]);
    if (!parsed.success) {
      errors.addIssues(parsed.error.issues, candidates[i], ["candidates", i]);
    }
  }
}

/** Whether a candidate is a valid id and nothing else. */
function isPlain(candidate: unknown): boolean {
  if (typeof candidate !== "object" || candidate === null) return false;
  for (const key in candidate) if (key !== "id") return false;
  const { id } = candidate as { readonly id?: unknown };
  return typeof id === "string" && idPattern.test(id);
}

function addRepeats(errors: FieldErrors, candidates: RankRequest["candidates"]): void {
  for (const { index, firstIndex } of repeatsIn(candidates)) {
    const id = JSON.stringify(candidates[index].id);
    const detail = `repeats candidate ${firstIndex}, ${id}; send each item once`;
    errors.add(["candidates", index, "id"], detail);
  }
}

/** Shown items must be candidates, each once. */
function addShownErrors(
  errors: FieldErrors,
  shown: readonly string[],
  candidates: RankRequest["candidates"],
): void {
  const left = new Set(candidates.map(({ id }) => id));
  shown.forEach((id, index) => {
    if (left.delete(id) || errors.isFull) return;
    const repeats = shown.indexOf(id) < index;
    const detail = `is ${JSON.stringify(id)}, which ${
      repeats ? "is there before; send each item once" : "is no candidate; send ids of candidates"
    }`;
    errors.add(["shown", index], detail);
  });
}
