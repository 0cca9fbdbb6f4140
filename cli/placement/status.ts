/**
 * The work of `cairn status`.
 */
import { formatAddress } from "../../configuration/addresses.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { sizeText } from "../../mesh/placement/byte_sizes.ts";
import { readersOn } from "../../mesh/placement/drain_progress.ts";
import { dutiesOf } from "../../mesh/placement/host_duties.ts";
import { hostsHave, missingLinks } from "../../mesh/placement/host_reach.ts";
import {
  livingOwner,
  placementOf,
  reportedSize,
  shardViews,
} from "../../mesh/placement/mesh_views.ts";
import { decisionsOf, planMesh } from "../../mesh/placement/mesh_plan.ts";
import {
  type HostRecord,
  type MeshView,
  partitionCountsOf,
  type PlacedKey,
} from "../../mesh/ports/coordination.ts";
import { snapshotFailuresIn, snapshotFailureText } from "../../mesh/ports/snapshot_failure.ts";
import { type ReshardStep, reshardStep, stepText } from "../../mesh/ports/reshard_progress.ts";
import { knownPlan, type PlanDocument } from "../../mesh/placement/plan_document.ts";
import { ownerOf } from "../../mesh/placement/views.ts";
import { describe } from "../../mesh/ports/coordination_errors.ts";
import { numbersText, type ReshardRecord } from "../../mesh/ports/resharding.ts";
import { followersOf, placedAddress } from "../../server/addresses.ts";
import { alignedRows } from "../../structures/aligned_rows.ts";
import { counted } from "../../structures/counted.ts";
import { present } from "../../structures/invariant.ts";
import type { Output } from "../command_line.ts";
import type { PlacementFlags } from "./command.ts";
import { withMeshStore } from "./mesh_store.ts";
import { followerName, partName } from "./part_names.ts";
import { heldLine, isHeld } from "./plan_lines.ts";

export async function statusCommand(flags: PlacementFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async ({ configuration, read }) => {
    const view = await read();
    const status = { ...statusOf(view, configuration), held: isHeld(configuration, view) };
    if (flags.json) output.out(`${JSON.stringify(status)}\n`);
    else {
      for (const line of linesOf(status, view.nowMs)) output.out(`${line}\n`);
      if (status.held) output.out(heldLine);
    }
  });
}

/** The mesh as the store has it, in the form that `--json` prints. */
type MeshStatus = ReturnType<typeof statusOf>;

function statusOf(view: MeshView, configuration: CairnConfiguration) {
  const { hosts: listed } = present(configuration.mesh, "a store belongs to a mesh");
  const { version, generation, identity, reshard } = view;
  const shards = shardViews(view, "shard");
  return {
    mesh: identity.mesh,
    version,
    generation,
    controller: view.control?.holder.host,
    hosts: [...view.hosts.values()].map((each): HostFigures => {
      const owned = shards.filter(({ placement }) => ownerOf(placement) === each.host);
      const sizes = owned.flatMap(({ shard }) => reportedSize(view, `shard/${shard}`) ?? []);
      return {
        host: each.host,
        state: each.expiresMs <= view.nowMs ? "silent" : each.state,
        roles: each.roles,
        address: each.address,
        shards: owned.length,
        partitions: readersOn(view, each.host),
        rows: sizes.reduce((sum, { rows }) => sum + rows, 0),
        bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
        sizesUntold: owned.length - sizes.length,
        capacityBytes: each.capacityBytes,
      };
    }),
    absent: listed.filter(({ name }) => !view.hosts.has(name)).map(({ name, roles, address }) => {
      return { host: name, roles, address: formatAddress(address) };
    }),
    unlisted: [...view.hosts.keys()].filter((host) => !listed.some(({ name }) => name === host)),
    refusing: [...view.hosts.values()].flatMap(({ host, refusal }) =>
      refusal === undefined ? [] : [{ host, refusal }]
    ),
    unplaced: unplacedParts(view, configuration),
    unlinked: [...missingLinks(view)].map(([host, without]) => ({ host, without })),
    restless: [...view.placements].filter(([, { state }]) => state !== "active")
      .map(([key, placement]) => ({ key, placement })),
    hostless: decisionsOf(planMesh(view, Infinity)).flatMap(({ key, decision }) =>
      decision.kind === "unplaced" && livingOwner(view, placementOf(view, key)) === undefined
        ? [{ key, reason: decision.reason }]
        : []
    ),
    plan: knownPlan(view),
    isPlanUnknown: view.plan !== undefined && knownPlan(view) === undefined,
    shards: identity.shards,
    trainers: identity.trainers,
    partitions: { events: identity.eventPartitions, examples: identity.examplePartitions },
    snapshotFailures: snapshotFailuresIn(view),
    reshard: reshard && { ...reshard, step: reshardStep(view) },
  };
}

/** The parts that hosts are to have and cannot place, with those that follow them. */
function unplacedParts(view: MeshView, { featureKeeper }: CairnConfiguration) {
  const partitionings = partitionCountsOf(view.identity);
  const numbers = {
    ...(featureKeeper && { featureKeeper }),
    partitions: partitionings[partitionings.length - 1],
    earlierPartitions: partitionings.slice(0, -1),
  };
  return [...view.hosts.values()].filter(({ expiresMs }) => expiresMs > view.nowMs)
    .flatMap((run) =>
      [...dutiesOf(view, run).keys()].flatMap((key) => [
        { part: partName(key), address: placedAddress(key, view.identity.sharding), run },
        ...followersOf(key, numbers)
          .map((address) => ({ part: followerName(address), address, run })),
      ])
    )
    .flatMap(({ part, address, run: { host, unplaced: { [address]: reason } } }) =>
      reason === undefined ? [] : [{ part, host, reason }]
    );
}

/** For people. */
function linesOf(status: MeshStatus, nowMs: number): string[] {
  const { version, controller, hosts, unlisted, absent, restless, hostless, reshard, plan } =
    status;
  const unplaced = status.unplaced.map(({ part, host, reason }) =>
    `${part} cannot be placed on ${host}, which tries again: ${reason}`
  );
  const deciding = controller === undefined ? "no host decides" : `${controller} decides`;
  return [
    `version ${version}; ${deciding} what moves`,
    ...hostLines(hosts),
    ...hosts.filter(({ sizesUntold }) => sizesUntold > 0).map(({ host, sizesUntold }) =>
      `${host} has not told the size of ${
        counted(sizesUntold, "shard")
      } yet: the columns rows and memory are without ` +
      (sizesUntold === 1 ? "it" : "them")
    ),
    ...(unlisted.length > 0
      ? [
        `not in this file: ${
          unlisted.join(", ")
        }; hosts that run with it have no link with them: ` +
        "list them in mesh.hosts, and restart every host",
      ]
      : []),
    ...absent.map(({ host, roles, address }) => `not up: ${host}  ${roles.join(", ")}  ${address}`),
    ...status.unlinked.map(({ host, without }) =>
      `${hostsHave(without)} no link with ${host}: their logs say why`
    ),
    ...restless.filter(({ key }) => !hostless.some((each) => each.key === key))
      .map(({ key, placement }) => `${partName(key)} is ${describe(placement)}`),
    ...Map.groupBy(hostless, ({ reason }) => reason).entries().map(([reason, parts]) =>
      `without a host: ${parts.map(({ key }) => partName(key)).join(", ")}: ${reason}`
    ),
    ...unplaced,
    ...status.snapshotFailures.map((failure) => snapshotFailureText(failure, nowMs)),
    ...status.refusing.map(({ host, refusal }) => `${host} refuses events: ${refusal}`),
    ...(reshard?.step === undefined ? [] : [reshardLine(reshard, reshard.step)]),
    ...(plan === undefined ? [] : [planLine(plan)]),
    ...(status.isPlanUnknown
      ? ["last plan: of another version of the program, which this one cannot read"]
      : []),
  ];
}

function planLine({ state, moves, voided, elsewhere = [] }: PlanDocument): string {
  const others = elsewhere.length === 0
    ? ""
    : `, not on their new hosts: ${elsewhere.map(partName).join(", ")}`;
  const given = voided.length === 0 || state === "done"
    ? ""
    : `, ${voided.length} of them of parts that the mesh has given up since`;
  return `last plan: ${state}, ${counted(moves.length + voided.length, "move")}${given}${others}`;
}

/** The change of a number of parts, and its step. */
function reshardLine(reshard: ReshardRecord, step: ReshardStep): string {
  const { override } = reshard;
  if (override === undefined || step.kind === "cancelled") {
    return `${numbersText(reshard)}: ${stepText(step)}`;
  }
  const reached = step.kind === "snapshotting" ? "begins" : stepText(step);
  return `${numbersText(reshard)}: ${reached}, without a snapshot (${override})`;
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
  /** Shards that it was given a moment ago, and whose sizes it has not told yet. */
  readonly sizesUntold: number;
  readonly capacityBytes: HostRecord["capacityBytes"];
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
