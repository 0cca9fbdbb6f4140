/**
 * A list is judged entry by entry, so that one wrong entry spoils no other; here is what all lists have in common:
 * their length, and how the answer says that some entries, or all, were rejected.
 */
import type { GatewayContext } from "../endpoint.ts";
import type { FailureLog } from "../failure_log.ts";
import { ProblemError, type ProblemKind } from "../problems.ts";

/**
 * @param or What may be sent in place of a list.
 * @throws {ProblemError} The list is empty or too long.
 */
export function requireListLength(
  list: readonly unknown[],
  entriesMax: number,
  what: string,
  or = "",
): void {
  if (list.length >= 1 && list.length <= entriesMax) return;
  const detail = `is a list of ${list.length} ${what}; send ${or}a list of 1 to ${entriesMax}`;
  throw new ProblemError("invalid-request", `The body ${detail}.`, {
    errors: [{ pointer: "#", detail }],
  });
}

/**
 * Where a list stands in an object, as in `{"events": […]}`, says so: else the answer would tell all that an entry lacks.
 *
 * @throws {ProblemError} The body has one field, which holds a list.
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

/** The problems of the entries that were rejected. */
export function problemsOf(
  outcomes: readonly { readonly status: string; readonly problem?: ProblemError }[],
): ProblemError[] {
  return outcomes.flatMap(({ problem }) => problem ?? []);
}

/** How to say that no entry of a list was taken. */
interface NothingDone {
  readonly entries: number;
  readonly none: ProblemKind;
  readonly nothingDone: string;
}

/**
 * 200 where no entry was rejected, 207 where some were. Where all were, a problem: the server's own failure where
 * there is one, since a retry helps only then; the client's otherwise.
 */
export function answerList(
  context: GatewayContext,
  failures: FailureLog,
  answer: object,
  rejected: readonly ProblemError[],
  { entries, none, nothingDone }: NothingDone,
): Response {
  if (rejected.length === 0) return context.json(answer);
  const ours = rejected.find((problem) => problem.status >= 500);
  if (rejected.length === entries) {
    throw new ProblemError(
      ours?.kind ?? none,
      `${nothingDone}: ${(ours ?? rejected[0]).detail}`,
      { members: { ...answer }, cause: ours?.extras.cause },
    );
  }
  if (ours) failures.write(context, ours);
  return context.json(answer, 207);
}
