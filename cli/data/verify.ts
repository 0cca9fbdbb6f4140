/**
 * The work of `cairn data verify`.
 */
import { verifyDirectory } from "../../offline/data_directory/verify_directory.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import type { DataFlags } from "./command.ts";

/** @throws {CommandError} When something is damaged or missing. */
export async function verifyCommand(
  folder: string,
  { json }: DataFlags,
  output: Output,
): Promise<void> {
  const { files, problems, notes } = await verifyDirectory(folder);
  output.out(
    json ? `${JSON.stringify({ files, problems, notes })}\n` : [
      ...problems.map((problem) => `damaged: ${problem}`),
      ...notes.map((note) => `note: ${note}`),
      `${files} files and parts of snapshots read, ${problems.length} problems`,
      "",
    ].join("\n"),
  );
  if (problems.length > 0) {
    throw new CommandError(`${folder} has ${problems.length} problems; see docs/operations.md.`);
  }
}
