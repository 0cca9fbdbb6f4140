/**
 * `log.json`, the file that makes a directory a log: its format and its number of partitions.
 */
import { type Files, isNotFound } from "../../ports/files.ts";
import { LOG_FORMAT, LogFormatError } from "../../ports/log_format.ts";
import { denoFiles } from "../deno/deno_files.ts";
import { DamagedFileError, readCheckedJson, writeCheckedJson } from "./checked_json.ts";
import { makeDirectory } from "./durable_directory.ts";
import { listSegments } from "./segment_files.ts";

interface LogHeader {
  readonly format: number;
  readonly partitions: number;
}

/** A log keeps the number of partitions that it was made with. */
export class PartitionCountError extends Error {
  override readonly name = "PartitionCountError";
  constructor(readonly directory: string, readonly found: number, readonly asked: number) {
    super(
      `The log in ${directory} has ${found} partitions, not ${asked}; open it with ${found}, or begin with an empty directory.`,
    );
  }
}

/**
 * The number of partitions of the log; undefined where the directory has no log.
 *
 * @throws {DamagedFileError}
 * @throws {LogFormatError}
 */
export function readLogHeader(
  directory: string,
  files: Files = denoFiles,
): number | undefined {
  const header = readCheckedJson(
    pathOf(directory),
    "Restore it from a copy, or move the log's directory aside and start anew.",
    files,
  ) as LogHeader | undefined;
  if (header !== undefined && header.format !== LOG_FORMAT) {
    throw new LogFormatError(`in ${directory}`, header.format, "begin with an empty directory");
  }
  return header?.partitions;
}

/**
 * Checks the header at an opening of the log. A log that is opened for writing is made where it is
 * missing.
 *
 * @throws {PartitionCountError} It was made with another number of partitions.
 * @throws {DamagedFileError}
 * @throws {LogFormatError}
 * @throws {Error} It is missing, and is opened for reading.
 */
export async function openLogHeader({ directory, partitions, mode, files = denoFiles }: {
  readonly directory: string;
  readonly partitions: number;
  readonly mode: "write" | "read";
  readonly files?: Files;
}): Promise<void> {
  if (mode === "write") makeDirectory(directory, files);
  const found = readLogHeader(directory, files);
  if (found === partitions) return;
  if (found !== undefined) throw new PartitionCountError(directory, found, partitions);
  if (mode === "read") {
    throw new Error(`There is no log in ${directory}: open it for writing before readers do.`);
  }
  if (hasSegments(directory, files)) {
    throw new DamagedFileError(
      pathOf(directory),
      "it is missing, and there are segments",
      "Restore it from a copy, or move the log's directory aside and start anew.",
    );
  }
  const header: LogHeader = { format: LOG_FORMAT, partitions };
  await writeCheckedJson(pathOf(directory), header, files);
}

function hasSegments(directory: string, files: Files): boolean {
  try {
    return listSegments(`${directory}/0`, files).length > 0;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

function pathOf(directory: string): string {
  return `${directory}/log.json`;
}
