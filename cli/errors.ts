/**
 * Failures of a command: a sentence for the user and an exit code for scripts.
 */

/** Exit codes of the command line. */
export const exitCodes = {
  ok: 0,
  /** The command ran and failed. */
  failed: 1,
  /**
   * The options or the configuration cannot be used; nothing ran. Commands of a mesh fail with 1
   * then.
   */
  usage: 2,
  /** The command of a mesh ran, and a change is left to be made. */
  changes: 2,
  interrupted: 130,
} as const;

/** An expected failure, printed without a stack trace. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  constructor(message: string, readonly exitCode: number = exitCodes.failed, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** Ends a command with an exit code that is its result; all output is printed before. */
export class CommandExit extends Error {
  override readonly name = "CommandExit";
  constructor(readonly exitCode: number) {
    super(`exit code ${exitCode}`);
  }
}

/** An error about the typed options. */
export function usageError(message: string): CommandError {
  return new CommandError(message, exitCodes.usage);
}

/** One line per cause, outermost first; `debug` adds the stacks. */
export function describeError(error: unknown, debug: boolean): string {
  const lines: string[] = [];
  let at: unknown = error;
  for (let depth = 0; at !== undefined && depth < 8; depth++) {
    const prefix = depth === 0 ? "" : "  because: ";
    if (at instanceof Error) {
      const text = at.message === "" ? at.name : at.message;
      if (!lines.some((line) => line.includes(text))) lines.push(prefix + text);
      if (debug && at.stack !== undefined) lines.push(at.stack);
      // A failure of the cleanup hides the one that it followed.
      at = at instanceof SuppressedError ? at.suppressed : at.cause;
    } else {
      lines.push(prefix + String(at));
      at = undefined;
    }
  }
  return lines.join("\n");
}
