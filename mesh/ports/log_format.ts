/** The format that every adapter stores with its logs, and the refusal of a log of another one. */

/** Format of logs and of the records in them: a change of either raises it for all adapters. */
export const LOG_FORMAT = 3;

/** A build with another {@link LOG_FORMAT} wrote the log: this one could not read its records. */
export class LogFormatError extends Error {
  override readonly name = "LogFormatError";
  /**
   * @param log The log, with the place where it is.
   * @param anew How to begin without it; ends a sentence.
   */
  constructor(readonly log: string, readonly found: number, anew: string) {
    super(
      `The log ${log} has format ${found}; this build reads ${LOG_FORMAT}. Open it with the build ` +
        `that wrote it, or ${anew}.`,
    );
  }
}
