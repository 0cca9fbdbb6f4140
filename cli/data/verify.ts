/**
 * The work of `cairn data verify`.
 */
import { counted } from "../../structures/counted.ts";
import { verifyData } from "../../offline/data_directory/verify_directory.ts";
import type { Output } from "../command_line.ts";
import { findPlaces } from "../data_places.ts";
import { CommandError } from "../errors.ts";
import type { DataFlags } from "./command.ts";

/** @throws {CommandError} When something is damaged or missing. */
export async function verifyCommand(
  data: string,
  { json }: DataFlags,
  output: Output,
): Promise<void> {
  const { files, problems, notes } = await verifyData(await findPlaces(data));
  output.out(
    json ? `${JSON.stringify({ files, problems, notes })}\n` : [
      ...problems.map((problem) => `damaged: ${problem}`),
      ...notes.map((note) => `note: ${note}`),
      `${counted(files, "file")} and parts of snapshots read, ${
        counted(problems.length, "problem")
      }`,
      "",
    ].join("\n"),
  );
  if (problems.length > 0) {
    throw new CommandError(
      `${data} has ${counted(problems.length, "problem")}; see docs/operations.md.`,
    );
  }
}
