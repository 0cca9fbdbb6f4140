/**
 * The work of `cairn data quarantine`.
 */
import { counted } from "../../structures/counted.ts";
import { openExistingBlobs } from "../../offline/data_directory/existing_stores.ts";
import { readQuarantines, rowText, stretchText } from "../../records/quarantine.ts";
import type { Output } from "../command_line.ts";
import { findPlaces } from "../data_places.ts";
import type { DataFlags } from "./command.ts";

export async function quarantineCommand(
  data: string,
  { json }: DataFlags,
  output: Output,
): Promise<void> {
  const quarantines = await readQuarantines(await openExistingBlobs(await findPlaces(data)));
  for (const { trainer, quarantine } of quarantines) {
    if (json) {
      output.out(`${JSON.stringify({ trainer, ...quarantine })}\n`);
      continue;
    }
    for (const row of quarantine.rows) {
      const { refusedAtMs, labels, dense, ids, reason } = row;
      output.out(
        `${trainer}  row ${rowText(row)}  refused ${new Date(refusedAtMs).toISOString()}  ` +
          `labels ${labels.join(" ")}  dense ${dense.join(" ")}  ids ${
            ids.join(" ")
          }\n  ${reason}\n`,
      );
    }
    for (const stretch of quarantine.skipped) {
      output.out(
        `${trainer}  rows ${stretchText(stretch)}  passed over ` +
          `${new Date(stretch.skippedAtMs).toISOString()}\n  ${stretch.reason}\n`,
      );
    }
    const { rows, rowsRefused } = quarantine;
    output.out(
      `${trainer}  ${counted(rowsRefused, "row")} refused in all, the last ${rows.length} shown\n`,
    );
  }
  if (quarantines.length === 0 && !json) output.out("no rows were put aside\n");
}
