/**
 * Checks and answers that all lists in a body share. Each entry of a list is accepted or rejected
 * on its own, so that one wrong entry does not affect the others.
 */
import { invariant } from "../../structures/invariant.ts";
import type { GatewayContext } from "../endpoint.ts";
import type { FailureLog } from "../failure_log.ts";
import { ProblemError, type ProblemKind } from "../problems.ts";
import { TextResponse } from "../text_response.ts";

/**
 * Requires a list of 1 to `entriesMax` entries.
 *
 * @param plural Name of the entries in the problem.
 * @param alternative Alternative to a list in the problem, such as "one event, or ".
 * @throws {ProblemError} `invalid-request`.
 */
export function requireListLength(
  list: readonly unknown[],
  entriesMax: number,
  plural: string,
  alternative = "",
): void {
  if (list.length >= 1 && list.length <= entriesMax) return;
  const detail =
    `is a list of ${list.length} ${plural}; send ${alternative}a list of 1 to ${entriesMax}`;
  throw new ProblemError("invalid-request", `The body ${detail}.`, {
    errors: [{ pointer: "#", detail }],
  });
}

/**
 * Refuses a list inside an object, such as `{"events": […]}`. Validated as an entry, it would get
 * errors about every field that an entry lacks.
 *
 * @throws {ProblemError} `invalid-request` when the body's only field holds a list.
 */
export function refuseWrappedList(sent: unknown): void {
  if (typeof sent !== "object" || sent === null || Array.isArray(sent)) return;
  const entries = Object.entries(sent);
  if (entries.length !== 1 || !Array.isArray(entries[0][1])) return;
  const [name] = entries[0];
  const detail = `is an object around the list ${JSON.stringify(name)}; send the list itself`;
  throw new ProblemError("invalid-request", `The body ${detail}.`, {
    errors: [{ pointer: "#", detail }],
  });
}

/** The problems of the rejected entries. */
export function problemsOf(
  outcomes: readonly { readonly status: string; readonly problem?: ProblemError }[],
): ProblemError[] {
  return outcomes.flatMap(({ problem }) => problem ?? []);
}

/** The problem of a list all of whose entries were rejected. */
interface NothingDone {
  readonly entries: number;
  /** Kind of the problem when the client caused every rejection. */
  readonly none: ProblemKind;
  /** Beginning of its detail. */
  readonly nothingDone: string;
}

/**
 * Answers 200 when no entry was rejected and 207 when some were. When all were, throws a problem:
 * the server's own failure if there is one, because then a retry helps; else the client's.
 */
export function answerList(
  context: GatewayContext,
  failures: FailureLog,
  answer: object,
  rejected: readonly ProblemError[],
  { entries, none, nothingDone }: NothingDone,
): Response {
  invariant(rejected.length <= entries, "a list has at most one problem for each entry");
  if (rejected.length === 0) return TextResponse.json(answer);
  const failed = rejected.filter((problem) => problem.status >= 500);
  const ours = longestAwaited(failed);
  const isWhole = rejected.length === entries;
  // A problem that is thrown is logged by its handler, the others here: each kind once.
  for (const [kind, problem] of new Map(failed.map((each) => [each.kind, each]))) {
    if (!isWhole || kind !== ours?.kind) failures.write(context, problem);
  }
  if (isWhole) {
    const retryAfterSeconds = ours?.retryAfterSeconds;
    throw new ProblemError(
      ours?.kind ?? none,
      `${nothingDone}: ${(ours ?? rejected[0]).detail}`,
      {
        members: { ...answer },
        cause: ours?.extras.cause,
        ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
      },
    );
  }
  return TextResponse.json(answer, 207);
}

/** The problem after which to wait longest, the first of these; undefined where there is none. */
function longestAwaited(problems: readonly ProblemError[]): ProblemError | undefined {
  const [longest] = problems.toSorted((a, b) =>
    (b.retryAfterSeconds ?? 0) - (a.retryAfterSeconds ?? 0)
  );
  return longest;
}
