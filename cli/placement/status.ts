/**
 * The work of `cairn status`.
 */
import { formatAddress } from "../../configuration/addresses.ts";
import { sizeText } from "../../mesh/placement/byte_sizes.ts";
import { shardViews } from "../../mesh/placement/mesh_views.ts";
import type { PlacedKey } from "../../mesh/ports/coordination.ts";
import { reshardStep, stepText } from "../../mesh/ports/reshard_progress.ts";
import { decodePlan, isPlan } from "../../mesh/placement/plan_document.ts";
import { ownerOf } from "../../mesh/placement/views.ts";
import { describe } from "../../mesh/ports/coordination_errors.ts";
import { numbersText } from "../../mesh/ports/resharding.ts";
import { alignedRows } from "../../structures/aligned_rows.ts";
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
    const unlisted = [...view.hosts.keys()].filter((host) =>
      !listed.some(({ name }) => name === host)
    );
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
    const { version, generation, identity } = view;
    if (flags.json) {
      const result = {
        mesh: identity.mesh,
        version,
        generation,
        controller,
        hosts,
        absent: absent.map(({ name, roles, address }) => {
          return { host: name, roles, address: formatAddress(address) };
        }),
        unlisted,
        restless,
        plan,
        shards: identity.shards,
        trainers: identity.trainers,
        partitions: { events: identity.eventPartitions, examples: identity.examplePartitions },
        reshard: reshard && { ...reshard, step },
      };
      return output.out(`${JSON.stringify(result)}\n`);
    }
    const deciding = controller === undefined ? "no host decides" : `${controller} decides`;
    output.out(`version ${version}; ${deciding} what moves\n`);
    for (const line of hostLines(hosts)) output.out(`${line}\n`);
    if (unlisted.length > 0) {
      output.out(
        `not in this file: ${
          unlisted.join(", ")
        }; hosts that run with it have no link with them: ` +
          "list them in mesh.hosts, and restart every host\n",
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

interface HostFigures {
  readonly host: string;
  readonly state: string;
  readonly roles: readonly string[];
  readonly address: string;
  readonly shards: number;
  readonly partitions: readonly PlacedKey[];
  readonly rows: number;
  readonly bytes: number;
}

/** The table of hosts; a host without the role of a column leaves it empty. */
function hostLines(hosts: readonly HostFigures[]): string[] {
  const header = ["host", "state", "roles", "address", "shards", "rows", "memory", "reads"];
  const rows = hosts.map((each) => {
    const hasShards = each.shards > 0 || each.roles.includes("shards");
    return [
      each.host,
      each.state,
      each.roles.join(", "),
      each.address,
      ...(hasShards
        ? [`${each.shards}`, each.rows.toLocaleString("en"), sizeText(each.bytes)]
        : ["", "", ""]),
      each.partitions.map(partName).join(", "),
    ];
  });
  return alignedRows([header, ...rows]);
}
