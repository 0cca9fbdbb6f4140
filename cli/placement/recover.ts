/**
 * The work of `cairn recover`.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { PartitionCounts } from "../../mesh/ports/partitioning.ts";
import { deleteMark, hostOfMark, listMarks } from "../../records/mesh_mark.ts";
import { readManifests } from "../../records/snapshot_manifest.ts";
import { isFolder } from "../../offline/data_directory/existing_stores.ts";
import { meshOpeningOf } from "../../server/machine/placement_environment.ts";
import { openBlobStorage } from "../../server/machine/storage.ts";
import { blobsPlaceOf } from "../../server/own_blobs.ts";
import { invariant } from "../../structures/invariant.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import { shortName } from "../snapshot/named_snapshot.ts";
import type { RecoverFlags } from "./command.ts";
import { type MeshStore, withMeshStore } from "./mesh_store.ts";

/**
 * @throws {CommandError} The store of snapshots is not there, or is that of a mesh that the command
 * does not name.
 */
export async function recoverCommand(flags: RecoverFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async (store) => {
    const { configuration, coordination } = store;
    const { storage } = configuration;
    invariant(storage.kind === "directory", "a mesh with a coordination store keeps snapshots");
    if (storage.s3 === undefined && !await isFolder(storage.path)) {
      throw new CommandError(
        `storage.path (${storage.path}) is not there: run the command where the hosts' directory of ` +
          "snapshots is mounted. Nothing has changed.",
      );
    }
    const { blobs } = await openBlobStorage(storage);
    const marks = await listMarks(blobs);
    const view = await store.find();
    const others = marks.filter(({ mesh }) => mesh !== view?.identity.mesh);
    const unnamed = others.find(({ mesh }) => mesh !== flags.fromMesh);
    if (unnamed !== undefined) {
      const host = await hostOfMark(blobs, unnamed);
      throw new CommandError(
        `${blobsPlaceOf(storage)} is the store of mesh ${unnamed.mesh}, of which ${host} is a ` +
          "host. Nothing has changed. Where that mesh is no more, or is this one before its Redis " +
          `server lost all data, add --from-mesh ${unnamed.mesh}.`,
      );
    }
    // The mesh whose mark is here was on a Redis server that has lost all data.
    const isLost = view === undefined && others.length > 0;
    const { eventPartitions, examplePartitions } = isLost
      ? await coordination.open(meshOpeningOf(configuration))
      : (await store.read()).identity;
    for (const mark of others) await deleteMark(blobs, mark);
    await coordination.acceptLoss();
    const partitions = { events: eventPartitions, examples: examplePartitions };
    const beyond = await snapshotBeyondLog(store, blobs, partitions);
    if (flags.json) {
      output.out(`${JSON.stringify({ recovered: true, ...(beyond && { restore: beyond }) })}\n`);
      return;
    }
    if (isLost) output.out("Redis had no data of the mesh: it begins anew\n");
    else if (others.length > 0) {
      output.out("the store of the snapshots was that of another mesh\n");
    }
    output.out(
      "every shard gets a new owner, which restores it from the newest snapshot\n" +
        (beyond === undefined
          ? "hosts that refuse events read no log until they are restarted: `cairn status` names " +
            "them in some seconds\n"
          : "the example log ends before that snapshot, and trainers do not start on it: stop all " +
            `hosts, run \`cairn snapshot restore ${flags.config} ${beyond} --examples skip\`, ` +
            "and start them\n"),
    );
  }, { acceptsLoss: true });
}

/** Name of the newest snapshot, where the example log does not reach as far as it has learned. */
async function snapshotBeyondLog(
  { logEnds }: MeshStore,
  blobs: BlobStore,
  partitions: PartitionCounts,
): Promise<string | undefined> {
  const [newest] = await readManifests(blobs);
  if (newest === undefined) return undefined;
  const trainers = newest.trainers.filter(({ partition }) => partition < partitions.examples);
  const ends = await logEnds("examples", trainers.map(({ partition }) => partition), partitions);
  const reaches = trainers.every(({ offset }, i) => offset <= ends[i]);
  return reaches ? undefined : shortName(newest.name);
}
