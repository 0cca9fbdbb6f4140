/**
 * The work of `cairn recover`.
 */
import { deleteMark, listMarks } from "../../records/mesh_mark.ts";
import { openBlobStorage } from "../../server/machine/storage.ts";
import { invariant } from "../../structures/invariant.ts";
import type { Output } from "../command_line.ts";
import type { PlacementFlags } from "./command.ts";
import { withMeshStore } from "./mesh_store.ts";

export async function recoverCommand(flags: PlacementFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async ({ configuration: { storage }, coordination, read }) => {
    const { identity } = await read();
    invariant(storage.kind === "directory", "a mesh with a coordination store keeps snapshots");
    const { blobs } = await openBlobStorage(storage);
    const others = (await listMarks(blobs)).filter(({ mesh }) => mesh !== identity.mesh);
    for (const mark of others) await deleteMark(blobs, mark);
    await coordination.acceptLoss();
    output.out(
      flags.json
        ? '{"recovered":true}\n'
        : "every shard gets a new owner, which restores it from the newest snapshot\n" +
          "restart the hosts that serve, join or train: until then they refuse events and read no log\n",
    );
  });
}
