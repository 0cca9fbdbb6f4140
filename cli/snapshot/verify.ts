/**
 * The work of `cairn snapshot verify`.
 */
import { openExistingBlobs } from "../../offline/data_directory/existing_stores.ts";
import { verifySnapshot } from "../../offline/data_directory/verify_snapshot.ts";
import { listSnapshots } from "../../records/snapshot_manifest.ts";
import type { Output } from "../command_line.ts";
import { findPlaces } from "../data_places.ts";
import { CommandError } from "../errors.ts";
import type { SnapshotFlags } from "./command.ts";
import { namedSnapshot, shortName } from "./named_snapshot.ts";

/** @throws {CommandError} When a snapshot is damaged. */
export async function verifyCommand(
  data: string,
  snapshot: string | undefined,
  { json }: SnapshotFlags,
  output: Output,
): Promise<void> {
  const places = await findPlaces(data);
  const blobs = await openExistingBlobs(places);
  const names = snapshot === undefined
    ? await listSnapshots(blobs)
    : [await namedSnapshot(blobs, places, snapshot)];
  let damaged = 0;
  for (const name of names) {
    const verdict = await verifySnapshot(blobs, name);
    const { parts, bytes, problems } = verdict;
    if (problems.length > 0) damaged++;
    output.out(
      json ? `${JSON.stringify({ ...verdict, name: shortName(name) })}\n` : [
        `${shortName(name)}: ${parts} parts, ${bytes.toLocaleString("en")} bytes, ` +
        `${problems.length === 0 ? "whole" : "DAMAGED"}`,
        ...problems.map((problem) => `  ${problem}`),
        "",
      ].join("\n"),
    );
  }
  if (damaged > 0) {
    throw new CommandError(
      `${damaged} of ${names.length} snapshots are damaged. Go back to a whole one by cairn ` +
        "snapshot restore.",
    );
  }
}
