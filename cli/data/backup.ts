/**
 * The work of `cairn data backup`.
 */
import { backUp, BackupError } from "../../offline/data_directory/back_up.ts";
import { counted } from "../../structures/counted.ts";
import type { Output } from "../command_line.ts";
import { findPlaces } from "../data_places.ts";
import { CommandError } from "../errors.ts";
import type { DataFlags } from "./command.ts";

/** @throws {CommandError} When the backup cannot be made. */
export async function backupCommand(
  from: string,
  to: string,
  { json }: DataFlags,
  output: Output,
): Promise<void> {
  const places = await findPlaces(from);
  try {
    const { files, bytes, snapshot, findings: { notes } } = await backUp(places, to);
    output.out(
      json
        ? `${JSON.stringify({ files, bytes, snapshot, notes })}\n`
        : `${counted(files, "file")} with ${
          bytes.toLocaleString("en")
        } bytes copied to ${to} and ` +
          `verified; ${snapshot === undefined ? "no snapshot yet" : `snapshot ${snapshot}`}\n`,
    );
    if (places.logsOnRedis && !json) {
      output.out(
        "Copy the data of Redis now, and see then whether it goes with this backup:\n" +
          `  cairn data backup ${from} ${to} --check\n`,
      );
    }
  } catch (error) {
    if (error instanceof BackupError) throw new CommandError(error.message);
    throw error;
  }
}
