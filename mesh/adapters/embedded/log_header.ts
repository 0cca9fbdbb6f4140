/**
 * `log.json`, the file that makes a directory a log: its format and its number of partitions.
 */
import type { Files } from "../../ports/files.ts";
import { denoFiles } from "../deno/deno_files.ts";
import { readCheckedJson, writeCheckedJson } from "./checked_json.ts";
import { LOG_FORMAT } from "./segment_block.ts";

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
 * @throws {Error} The log has a format of another build.
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
    throw new Error(
      `The log in ${directory} has format ${header.format}; this build reads ${LOG_FORMAT}. Open it with the build that wrote it, or begin with an empty directory.`,
    );
  }
  return header?.partitions;
}

/** Makes the directory a log. */
export async function writeLogHeader(
  directory: string,
  partitions: number,
  files: Files,
): Promise<void> {
  const header: LogHeader = { format: LOG_FORMAT, partitions };
  await writeCheckedJson(pathOf(directory), header, files);
}

function pathOf(directory: string): string {
  return `${directory}/log.json`;
}
