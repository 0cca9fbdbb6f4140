/**
 * The work of `cairn status`.
 */
import { formatAddress } from "../../configuration/addresses.ts";
import { sizeText } from "../../mesh/placement/byte_sizes.ts";
import { shardViews } from "../../mesh/placement/mesh_views.ts";
import { reshardStep, stepText } from "../../mesh/ports/reshard_progress.ts";
import { decodePlan, isPlan } from "../../mesh/placement/plan_document.ts";
import { ownerOf } from "../../mesh/placement/views.ts";
import { describe } from "../../mesh/ports/coordination_errors.ts";
import { numbersText } from "../../mesh/ports/resharding.ts";
import { counted } from "../../structures/counted.ts";
import { present } from "../../structures/invariant.ts";
import type { Output } from "../command_line.ts";
import type { PlacementFlags } from "./command.ts";
import { readersOn, withMeshStore } from "./mesh_store.ts";
import { partName } from "./part_names.ts";

export async function statusCommand(flags: PlacementFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async ({ configuration, read }) => {
    const view = await read();
    const listed = present(configuration.mesh, "a store belongs to a mesh").hosts;
    const absent = listed.filter(({ name }) => !view.hosts.has(name));
    const shards = shardViews(view, "shard");
    const hosts = [...view.hosts.values()].map((each) => {
      const owned = shards.filter(({ placement }) => ownerOf(placement) === each.host);
      const partitions = readersOn(view, each.host);
      return {
        host: each.host,
        state: each.expiresMs <= view.nowMs ? "silent" : each.state,
        roles: each.roles,
        address: each.address,
        shards: owned.length,
        partitions,
        rows: owned.reduce((sum, { rows }) => sum + rows, 0),
        bytes: owned.reduce((sum, { bytes }) => sum + bytes, 0),
        capacityBytes: each.capacityBytes,
      };
    });
    const restless = [...view.placements].filter(([, { state }]) => state !== "active")
      .map(([key, placement]) => ({ key, placement }));
    const plan = view.plan && isPlan(view.plan.document)
      ? decodePlan(view.plan.document, view.identity)
      : undefined;
    const { reshard } = view;
    const step = reshardStep(view);
    const controller = view.control?.holder.host;
    if (flags.json) {
      const { version, generation, identity } = view;
      const result = {
        mesh: identity.mesh,
        version,
        generation,
        controller,
        hosts,
        absent: absent.map(({ name, roles, address }) => {
          return { host: name, roles, address: formatAddress(address) };
        }),
        restless,
        plan,
        shards: identity.shards,
        trainers: identity.trainers,
        partitions: { events: identity.eventPartitions, examples: identity.examplePartitions },
        reshard: reshard && { ...reshard, step },
      };
      return output.out(`${JSON.stringify(result)}\n`);
    }
    output.out(
      `version ${view.version}, generation ${view.generation}, controller ${
        controller ?? "none"
      }\n`,
    );
    for (const each of hosts) {
      output.out(
        `${each.host}  ${each.state}  ${each.roles.join(", ")}  ${
          counted(each.shards, "shard")
        }  ` +
          `${counted(each.rows, "row")}  ${sizeText(each.bytes)}  ${each.address}` +
          `${each.partitions.map((key) => `  ${partName(key)}`).join("")}\n`,
      );
    }
    for (const { name, roles, address } of absent) {
      output.out(`not up: ${name}  ${roles.join(", ")}  ${formatAddress(address)}\n`);
    }
    for (const { key, placement } of restless) {
      output.out(`${partName(key)} is ${describe(placement)}\n`);
    }
    if (reshard !== undefined && step !== undefined) {
      const { override } = reshard;
      const text = override === undefined || step.kind === "cancelled"
        ? stepText(step)
        : `${
          step.kind === "snapshotting" ? "begins" : stepText(step)
        }, without a snapshot (${override})`;
      output.out(`${numbersText(reshard)}: ${text}\n`);
    }
    if (plan !== undefined) {
      output.out(`last plan: ${plan.state}, ${counted(plan.moves.length, "move")}\n`);
    }
  });
}
