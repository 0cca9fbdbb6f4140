/**
 * The work of `cairn recover`.
 */
import { deleteMark, hostOfMark, listMarks } from "../../records/mesh_mark.ts";
import { isFolder } from "../../offline/data_directory/existing_stores.ts";
import { openBlobStorage } from "../../server/machine/storage.ts";
import { blobsPlaceOf } from "../../server/own_blobs.ts";
import { invariant } from "../../structures/invariant.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import type { RecoverFlags } from "./command.ts";
import { withMeshStore } from "./mesh_store.ts";

/**
 * @throws {CommandError} The store of snapshots is not there, or is that of a mesh that the command
 * does not name.
 */
export async function recoverCommand(flags: RecoverFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async ({ configuration: { storage }, coordination, read }) => {
    const { identity } = await read();
    invariant(storage.kind === "directory", "a mesh with a coordination store keeps snapshots");
    if (storage.s3 === undefined && !await isFolder(storage.path)) {
      throw new CommandError(
        `storage.path (${storage.path}) is not there: run the command where the hosts' directory of ` +
          "snapshots is mounted. Nothing has changed.",
      );
    }
    const { blobs } = await openBlobStorage(storage);
    const others = (await listMarks(blobs)).filter(({ mesh }) => mesh !== identity.mesh);
    const unnamed = others.find(({ mesh }) => mesh !== flags.fromMesh);
    if (unnamed !== undefined) {
      throw new CommandError(
        `${blobsPlaceOf(storage)} is the store of mesh ${unnamed.mesh}, of which ` +
          `${await hostOfMark(
            blobs,
            unnamed,
          )} is a host. Nothing has changed. Where that mesh is no ` +
          "more, or is this one before its Redis server lost all data, add --from-mesh " +
          `${unnamed.mesh}.`,
      );
    }
    for (const mark of others) await deleteMark(blobs, mark);
    await coordination.acceptLoss();
    output.out(
      flags.json
        ? '{"recovered":true}\n'
        : (others.length > 0 ? "the store of the snapshots was that of another mesh\n" : "") +
          "every shard gets a new owner, which restores it from the newest snapshot\n" +
          "restart the hosts that serve, join or train: until then they refuse events and read no log\n",
    );
  }, { acceptsLoss: true });
}
