/**
 * The work of `cairn explain`.
 */
import { planKind } from "../../mesh/placement/mesh_plan.ts";
import { shardViews } from "../../mesh/placement/mesh_views.ts";
import { describe } from "../../mesh/ports/coordination_errors.ts";
import { present } from "../../structures/invariant.ts";
import { sizeText } from "../../mesh/placement/byte_sizes.ts";
import type { Output } from "../command_line.ts";
import { usageError } from "../errors.ts";
import type { PlacementFlags } from "./command.ts";
import { withMeshStore } from "./mesh_store.ts";
import { decisionLine } from "./plan_lines.ts";

/** @throws {CommandError} The mesh has no such shard. */
export async function explainCommand(
  shard: number,
  flags: PlacementFlags,
  output: Output,
): Promise<void> {
  await withMeshStore(flags, async ({ configuration, read }) => {
    const view = await read();
    const placement = view.placements.get(`shard/${shard}`);
    if (placement === undefined) {
      throw usageError(
        `There is no shard ${shard}: the mesh has 0 to ${view.identity.shards - 1}.`,
      );
    }
    const { movesMax } = present(configuration.mesh, "a store belongs to a mesh");
    const decision = planKind(view, "shard", movesMax).shards[shard];
    const { rows, bytes } = shardViews(view, "shard")[shard];
    if (flags.json) {
      return output.out(`${JSON.stringify({ shard, rows, bytes, placement, decision })}\n`);
    }
    output.out(
      `shard ${shard} is ${describe(placement)}, with ${rows.toLocaleString("en")} rows in ` +
        `${sizeText(bytes)}\n${decisionLine({ key: `shard/${shard}`, decision })}`,
    );
  });
}
