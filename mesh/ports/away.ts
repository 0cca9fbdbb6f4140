/**
 * Whether a failure, or the one that caused it, is of a server that does not answer: it ends when
 * the server does, and nothing has to be corrected.
 */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return "isAway" in error && error.isAway === true || isAway(error.cause);
}
