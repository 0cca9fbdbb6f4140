/**
 * The work of `cairn snapshot restore`.
 */
import {
  blobsPlace,
  isFolder,
  openExistingBlobs,
} from "../../offline/data_directory/existing_stores.ts";
import { restoreSnapshot } from "../../offline/data_directory/restore_snapshot.ts";
import type { Output } from "../command_line.ts";
import { findPlaces } from "../data_places.ts";
import { usageError } from "../errors.ts";
import type { RestoreFlags } from "./command.ts";
import { modelDifferences } from "./model_differences.ts";
import { namedSnapshot, shortName } from "./named_snapshot.ts";
import { openRestoredExamples } from "./restored_examples.ts";

/**
 * @throws {DataDirectoryError | HostsRunError | ProcessRunsError} When a server or hosts run.
 * @throws {RestoreError | CommandError} When the snapshot cannot be put there; nothing has changed.
 */
export async function restoreCommand(
  data: string,
  snapshot: string | undefined,
  { from, examples, json }: RestoreFlags,
  output: Output,
): Promise<void> {
  if (snapshot === undefined && from === undefined) {
    throw usageError("Name the snapshot to go back to; snapshot list prints them.");
  }
  const places = await findPlaces(data);
  const sourcePlaces = from === undefined ? places : await findPlaces(from);
  const source = from === undefined ? undefined : await openExistingBlobs(sourcePlaces);
  const { directory, s3 } = places;
  if (from !== undefined && s3 === undefined && !await isFolder(directory)) {
    throw usageError(`There is no folder ${directory}; serve ${from} itself instead.`);
  }
  const target = await openExistingBlobs(places);
  const { exampleLog, partitionsGrow, requireHeld, close } = await openRestoredExamples(
    places,
    target,
    (warning) => output.err(`${warning}\n`),
  );
  try {
    const name = await namedSnapshot(source ?? target, sourcePlaces, snapshot);
    const differences = places.configuration === undefined
      ? []
      : await modelDifferences(source ?? target, name, places.configuration);
    const restored = await restoreSnapshot({
      target,
      source: source ?? target,
      snapshot: name,
      examples,
      exampleLog,
      partitionsGrow,
      requireHeld,
      nowMs: Date.now(),
    });
    const { rowsToLearn, rowsSkipped } = restored;
    output.out(
      json ? `${JSON.stringify({ ...restored, name: shortName(restored.name), differences })}\n` : [
        `The next start begins from ${shortName(restored.name)}, a copy of ${shortName(name)}` +
        `${from === undefined ? "" : ` in ${blobsPlace(sourcePlaces)}`}.`,
        rowsToLearn > 0 ? `It learns ${rowsToLearn.toLocaleString("en")} rows of the log.` : "",
        rowsSkipped > 0
          ? `${rowsSkipped.toLocaleString("en")} rows after the cut are never learned.`
          : "",
        ...(differences.length > 0
          ? [
            `The model of ${data} differs from that of the snapshot: what both have is kept, and ` +
            "the rest begins anew:",
            ...differences.map((difference) => `  ${difference}`),
          ]
          : []),
      ].filter((line) => line !== "").join("\n") + "\n",
    );
  } finally {
    await close();
  }
}
