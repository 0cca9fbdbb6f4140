/**
 * The work of `cairn data restore`.
 */
import {
  blobsPlace,
  inDirectory,
  openExistingBlobs,
} from "../../offline/data_directory/existing_stores.ts";
import { restoreBlobs } from "../../offline/data_directory/restore_blobs.ts";
import { blobsOf } from "../../server/machine/shared_storage.ts";
import { counted } from "../../structures/counted.ts";
import type { Output } from "../command_line.ts";
import { findPlaces } from "../data_places.ts";
import { usageError } from "../errors.ts";
import { shortName } from "../snapshot/named_snapshot.ts";
import { openRestoredExamples } from "../snapshot/restored_examples.ts";
import type { DataFlags } from "./command.ts";
import { outcomeOf } from "./restore_outcome.ts";

/**
 * @throws {DataDirectoryError | HostsRunError | ProcessRunsError} When a server or hosts run.
 * @throws {RestoreError | CommandError} When the store has snapshots, or the backup is not whole;
 * nothing has changed.
 */
export async function restoreCommand(
  config: string,
  from: string,
  { json }: DataFlags,
  output: Output,
): Promise<void> {
  const places = await findPlaces(config);
  if (places.configuration === undefined) {
    throw usageError(
      "Give the configuration that names the bucket or the Redis server. A data directory is " +
        "restored by copying the folder of its backup in its place.",
    );
  }
  const source = await openExistingBlobs(inDirectory(from));
  const target = await blobsOf(places.directory, places.s3);
  const opened = await openRestoredExamples(
    places,
    target,
    (warning) => output.err(`${warning}\n`),
  );
  try {
    const { blobs, bytes, snapshot } = await restoreBlobs(source, target, opened.requireHeld);
    const name = shortName(snapshot);
    const outcome = await outcomeOf(target, snapshot, opened);
    if (json) {
      return output.out(`${JSON.stringify({ blobs, bytes, snapshot: name, ...outcome })}\n`);
    }
    output.out(
      `${counted(blobs, "blob")} with ${bytes.toLocaleString("en")} bytes put into ` +
        `${blobsPlace(places)}.\n`,
    );
    const { problem, rowsToLearn, isOlder } = outcome;
    if (problem !== undefined) {
      output.out(
        `Trainers cannot learn on from ${name}: ${problem}. Keep the model and give up the ` +
          "examples until now, before the start:\n" +
          `  cairn snapshot restore ${config} ${name} --examples skip\n`,
      );
    } else if (isOlder) {
      output.out(
        `${name} is older than all that the mesh keeps, which begins from it only after:\n` +
          `  cairn recover --accept-loss --config ${config} --from-snapshot ${name}\n`,
      );
    } else {
      const rows = counted(rowsToLearn, "row");
      output.out(`The next start begins from ${name}, and learns ${rows} of the log.\n`);
    }
  } finally {
    await opened.close();
  }
}
