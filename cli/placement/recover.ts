/**
 * The work of `cairn recover`.
 */
import type { Output } from "../command_line.ts";
import type { PlacementFlags } from "./command.ts";
import { withMeshStore } from "./mesh_store.ts";

export async function recoverCommand(flags: PlacementFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async ({ coordination, read }) => {
    await read();
    await coordination.acceptLoss();
    output.out(
      flags.json
        ? '{"recovered":true}\n'
        : "every shard gets a new owner, which restores it from the newest snapshot\n",
    );
  });
}
