/**
 * The work of `cairn plan`.
 */
import { sizeText } from "../../mesh/placement/byte_sizes.ts";
import { refusedChanges } from "../../mesh/placement/fixed_counts.ts";
import { moveMs } from "../../mesh/placement/move_time.ts";
import { changesOf, type ShardDecision } from "../../mesh/placement/placement_plan.ts";
import { planReshard } from "../../mesh/placement/reshard_plan.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { meshSettingsOf } from "../../server/machine/mesh_settings.ts";
import { counted } from "../../structures/counted.ts";
import { present } from "../../structures/invariant.ts";
import type { Output } from "../command_line.ts";
import { CommandError, CommandExit, exitCodes } from "../errors.ts";
import type { PlacementFlags } from "./command.ts";
import { planOfView, withMeshStore } from "./mesh_store.ts";
import { reshardLines, RESTORED_BYTES_PER_SECOND } from "./reshard.ts";

/** Exit code of a plan with changes. */
export const CHANGES = 2;

/**
 * Bytes of rows that one shard copies a second: the lowest rate of copies between worker threads on
 * a machine of two busy cores.
 */
const BYTES_PER_SECOND = 40 * 2 ** 20;

/** @throws {CommandExit} With exit code 2 where shards would move. */
export async function planCommand(flags: PlacementFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async ({ configuration, read }) => {
    const view = await read();
    const { movesMax } = present(configuration.mesh, "a store belongs to a mesh");
    const plan = planOfView(view, movesMax);
    const changes = changesOf(plan);
    const refused = refusedChanges(view.identity, meshSettingsOf(configuration));
    const later = plan.shards.filter((each) => each.kind === "waits" || each.kind === "unplaced");
    const bytes = [...changes, ...plan.shards.filter(({ kind }) => kind === "waits")]
      .reduce((sum, each) => sum + ("bytes" in each ? each.bytes : 0), 0);
    const estimatedMs = Math.ceil(moveMs(bytes, BYTES_PER_SECOND) / movesMax);
    const partitions = partitionDecisions(view, movesMax);
    const { shardCount, servingReplica } = configuration;
    const reshard = shardCount === view.identity.shards
      ? undefined
      : planReshard(view, shardCount, RESTORED_BYTES_PER_SECOND);
    const servingBytes = shardCount * servingReplica.bytesMax;
    if (flags.json) {
      const { version, generation, identity } = view;
      const result = {
        version,
        generation,
        mesh: identity.mesh,
        estimatedMs,
        refused,
        ...plan,
        partitions,
        ...(reshard && { reshard: { ...reshard, servingBytes } }),
      };
      output.out(`${JSON.stringify(result)}\n`);
    } else {
      for (const line of hostLines(plan.hosts)) output.out(line);
      for (const each of plan.shards) if (each.kind !== "stays") output.out(decisionLine(each));
      const stays = plan.shards.filter(({ kind }) => kind === "stays").length;
      output.out(
        `${stays} of ${plan.shards.length} shards stay where they are (version ${version(view)})\n`,
      );
      for (const line of partitionLines(partitions)) output.out(line);
      if (reshard !== undefined) {
        for (const line of reshardLines(reshard, servingBytes)) output.out(line);
      }
      for (const { reason } of refused) output.out(`refused: ${reason}\n`);
    }
    if (refused.length > 0) {
      throw new CommandError("the running mesh cannot take this configuration", exitCodes.failed);
    }
    if (reshard !== undefined) {
      const { from, to } = reshard;
      output.err(
        `shards.count is ${to}, and the mesh has ${from} shards: cairn reshard changes it\n`,
      );
    }
    const count = changes.length + later.length;
    if (count === 0) {
      if (reshard === undefined) return;
      throw new CommandExit(CHANGES);
    }
    const seconds = Math.ceil(estimatedMs / 1_000);
    const canMove = changes.length > 0 || later.some(({ kind }) => kind === "waits");
    const summary = canMove
      ? `${
        counted(count, "shard")
      } would move or wait, in about ${seconds} s; cairn apply moves them`
      : `${counted(count, "shard")} cannot move until a host has room for them`;
    output.err(`${summary}\n`);
    throw new CommandExit(CHANGES);
  });
}

/** A decision about a partition of a log, which the hosts carry out by themselves. */
interface PartitionDecision {
  /** For example `events/3`: its reader is a joiner. */
  readonly partition: string;
  readonly kind: ShardDecision["kind"];
  /** The host that has its reader; absent where none has. */
  readonly on?: string;
  /** The host that its reader goes to. */
  readonly to?: string;
}

/** One decision for every partition. */
function partitionDecisions(view: MeshView, movesMax: number): PartitionDecision[] {
  return (["events", "trainer"] as const).flatMap((kind) =>
    planOfView(view, movesMax, kind).shards.map((each) => {
      const on = each.kind === "stays" ? each.on : each.from;
      return {
        partition: `${kind}/${each.shard}`,
        kind: each.kind,
        ...(on !== undefined && { on }),
        ...("to" in each && { to: each.to }),
      };
    })
  );
}

/** The partitions that do not stay, and the number of those that do. */
function partitionLines(decisions: readonly PartitionDecision[]): string[] {
  const others = decisions.filter(({ kind }) => kind !== "stays");
  const lines = others.map(({ partition, kind, on = "none", to }) =>
    to === undefined
      ? `${partition}  ${kind} on ${on}: no host that is up may read it\n`
      : `${partition}  ${kind} ${on} -> ${to}\n`
  );
  const stays = decisions.length - others.length;
  return [...lines, `${stays} of ${decisions.length} partitions stay where they are\n`];
}

function version({ version }: { readonly version: number }): number {
  return version;
}

function hostLines(hosts: ReturnType<typeof planOfView>["hosts"]): string[] {
  return hosts.map((each) => {
    const { host, state, shardsBefore, shardsAfter, bytesBefore, bytesAfter } = each;
    const shards = shardsBefore === shardsAfter
      ? `${shardsBefore} shards`
      : `${shardsBefore} -> ${shardsAfter} shards`;
    const sizes = bytesBefore === bytesAfter
      ? sizeText(bytesBefore)
      : `${sizeText(bytesBefore)} -> ${sizeText(bytesAfter)}`;
    const over = bytesAfter > each.capacityBytes ? "  over its capacity" : "";
    return `${host}  ${state}  ${shards}  ${sizes} of ${sizeText(each.capacityBytes)}${over}\n`;
  });
}

/** One decision as a line: the shard, its way, its size and the reason. */
export function decisionLine(decision: ShardDecision): string {
  const { kind, shard, reason } = decision;
  switch (kind) {
    case "stays":
      return `shard ${shard}  stays on ${decision.on}: ${reason}\n`;
    case "unplaced":
      return `shard ${shard}  has no place: ${reason}\n`;
    case "moves":
    case "restores":
    case "underway":
    case "waits": {
      const size = `${decision.rows.toLocaleString("en")} rows, ${sizeText(decision.bytes)}`;
      const from = decision.from ?? "none";
      return `shard ${shard}  ${kind} ${from} -> ${decision.to}  (${size}): ${reason}\n`;
    }
  }
}
