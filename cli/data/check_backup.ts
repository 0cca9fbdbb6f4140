/**
 * The work of `cairn data backup --check`.
 *
 * A mesh deletes older snapshots and trims the example log behind them while a backup is made. A
 * copy of Redis that ends after that lacks examples which the copied snapshot has not learned. What
 * the mesh keeps only moves on, so a snapshot that it still keeps now was kept when Redis was
 * copied.
 */
import { formatDuration } from "../../configuration/units.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { inDirectory, openExistingBlobs } from "../../offline/data_directory/existing_stores.ts";
import { listMarks } from "../../records/mesh_mark.ts";
import { listSnapshots } from "../../records/snapshot_manifest.ts";
import type { Output } from "../command_line.ts";
import { findPlaces } from "../data_places.ts";
import { CommandError, usageError } from "../errors.ts";
import { shortName } from "../snapshot/named_snapshot.ts";
import { openExamplesOnRedis, type RestoredExamples } from "../snapshot/restored_examples.ts";
import type { DataFlags } from "./command.ts";
import { outcomeOf } from "./restore_outcome.ts";

/**
 * @param config The configuration of the server or the mesh, which may run.
 * @param folder The folder of the backup.
 * @throws {CommandError} When a copy of Redis that was made until now may not go with the backup.
 */
export async function checkBackupCommand(
  config: string,
  folder: string,
  { json }: DataFlags,
  output: Output,
): Promise<void> {
  const { configuration } = await findPlaces(config);
  const storage = configuration?.storage;
  if (configuration === undefined || storage?.kind !== "directory" || !storage.redis) {
    throw usageError(
      "Give the configuration that names the Redis server. Where the logs are in a directory, the " +
        "backup has them, and is verified when it ends.",
    );
  }
  const backup = await openExistingBlobs(inDirectory(folder));
  const [snapshot] = await listSnapshots(backup);
  if (snapshot === undefined) throw new CommandError(`There is no snapshot in ${folder}.`);
  const opened = await openExamplesOnRedis(configuration, storage, storage.redis);
  const problem = await problemOf(backup, snapshot, opened).finally(() => opened.close());
  const name = shortName(snapshot);
  if (problem !== undefined) {
    const { retained, interval } = storage.snapshots;
    throw new CommandError(
      `${name} in ${folder} does not go with a copy of Redis that ended just now: ${problem}. ` +
        `Delete both and make them anew. The copy of Redis has to end before ${retained} newer ` +
        `snapshots are taken, one every ${
          formatDuration(interval)
        }: where it takes longer, raise ` +
        "storage.snapshots.retained.",
    );
  }
  output.out(
    json
      ? `${JSON.stringify({ snapshot: name })}\n`
      : `Snapshot ${name} goes with every copy of Redis that was made since.\n`,
  );
}

/** Why no start would go on from the backup and a copy of Redis as of now, in words. */
async function problemOf(
  backup: BlobStore,
  snapshot: string,
  opened: RestoredExamples,
): Promise<string | undefined> {
  const { isOlder, problem } = await outcomeOf(backup, snapshot, opened);
  if (isOlder) return "it is older than all snapshots that the mesh keeps";
  if (problem !== undefined) return problem;
  const { mesh, blobsMark: mark } = opened.view?.identity ?? {};
  if (mesh === undefined || mark === undefined) return undefined;
  const marks = await listMarks(backup);
  return marks.some((each) => each.mesh === mesh && each.mark === mark)
    ? undefined
    : "it is of another mesh, or of this one before `cairn recover`";
}
