/**
 * Why a log takes no appends, as errors that say what to do.
 */
import { LogUnavailableError } from "../../ports/event_log.ts";

/** More bytes wait for the disk than may wait. */
export function diskTooSlow(directory: string, bytesWaiting: number): LogUnavailableError {
  return new LogUnavailableError(
    directory,
    "Nothing was appended. Send again later; if it lasts, look at the disk.",
    `${bytesWaiting} bytes wait for the disk`,
  );
}

/** A write failed; a later one may work. */
export function writeFailed(directory: string, cause: unknown): LogUnavailableError {
  return new LogUnavailableError(
    directory,
    "Nothing was appended. Free disk space or repair the disk; appends go on as soon as writing works.",
    cause,
  );
}

/** A sync failed; no append works until the log is opened again. */
export function syncFailed(directory: string, cause: unknown): LogUnavailableError {
  return new LogUnavailableError(
    directory,
    "The last records may be lost. Free disk space or repair the disk, then restart.",
    cause,
  );
}
