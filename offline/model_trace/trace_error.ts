/** A trace, or an option of its check, that cannot be used. The message says what to change. */
export class TraceError extends Error {
  override readonly name = "TraceError";
}
