/**
 * Checks the file of `--report` before minutes are spent on its content.
 */
import { dirname } from "node:path";
import { usageError } from "./errors.ts";

/** @throws {CommandError} When the folder of the file does not exist. */
export async function requireReportFolder(file: string | undefined): Promise<void> {
  if (file === undefined) return;
  const folder = dirname(file);
  const exists = await Deno.stat(folder).then(({ isDirectory }) => isDirectory, () => false);
  if (!exists) throw usageError(`Cannot write the report to ${file}: make its folder first.`);
}
