/**
 * The work of `cairn plan`.
 */
import { decisionsOf, type PartDecision, planMesh } from "../../mesh/placement/mesh_plan.ts";
import { estimateMoves } from "../../mesh/placement/move_time.ts";
import { planDealing, planPartitioning, planReshard } from "../../mesh/placement/reshard_plan.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { changeWords, type CountedParts, type ReshardRecord } from "../../mesh/ports/resharding.ts";
import { snapshotAtMs } from "../../records/snapshot_manifest.ts";
import { counted } from "../../structures/counted.ts";
import { present } from "../../structures/invariant.ts";
import { servingBytesOf } from "../../server/serving_replicas.ts";
import type { Output } from "../command_line.ts";
import { CommandExit } from "../errors.ts";
import type { PlacementFlags } from "./command.ts";
import { withMeshStore } from "./mesh_store.ts";
import { countedParts } from "./part_names.ts";
import { planLines } from "./plan_lines.ts";
import {
  dealingLines,
  otherShardCount,
  partitioningLines,
  reshardLines,
  RESTORED_BYTES_PER_SECOND,
} from "./reshard.ts";
import { servedRows, servingHostLine } from "./served_rows.ts";

/** Exit code of a plan with changes. */
export const CHANGES = 2;

/** @throws {CommandExit} With exit code 2 where shards, joiners or trainers move or would move. */
export async function planCommand(flags: PlacementFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async ({ configuration, read }) => {
    const view = await read();
    const { movesMax } = present(configuration.mesh, "a store belongs to a mesh");
    const { shardCount, trainerCount, partitions } = configuration;
    const asked = view.reshard?.state === "asked" ? view.reshard : undefined;
    const dealing = trainerCount === view.identity.trainers
      ? undefined
      : planDealing(view, trainerCount);
    const { identity: { eventPartitions, examplePartitions } } = view;
    const partitioning = partitions.events === eventPartitions &&
        partitions.examples === examplePartitions
      ? undefined
      : planPartitioning(view, partitions);
    const plan = planMesh(view, movesMax);
    // Trainers and joiners that are given up do not move.
    if (dealing !== undefined || partitioning !== undefined) plan.delete("trainer");
    if (partitioning !== undefined) plan.delete("events");
    const decisions = decisionsOf(plan);
    const estimatedMs = estimateMoves(decisions, movesMax);
    const relearnedMs = relearned(view, decisions);
    const reshard = shardCount === view.identity.shards
      ? undefined
      : planReshard(view, shardCount, RESTORED_BYTES_PER_SECOND);
    const servingBytes = servingBytesOf(configuration);
    const serving = servedRows(configuration, view);
    if (flags.json) {
      const { version, generation, identity } = view;
      const result = {
        version,
        generation,
        mesh: identity.mesh,
        estimatedMs,
        ...(relearnedMs !== undefined && { relearnedMs }),
        ...plan.get("shard"),
        ...(serving.length > 0 && { serving }),
        readers: decisions.filter(({ key }) => !key.startsWith("shard/")).map(readerOf),
        ...(reshard && { reshard: { ...reshard, servingBytes } }),
        ...(dealing && { trainers: dealing }),
        ...(partitioning && { partitions: partitioning }),
        ...(asked && { asked }),
      };
      output.out(`${JSON.stringify(result)}\n`);
    } else {
      for (const host of serving) output.out(servingHostLine(host));
      for (const line of planLines(plan, view.version)) output.out(line);
      if (reshard !== undefined) {
        for (const line of reshardLines(reshard, servingBytes)) output.out(line);
      }
      if (dealing !== undefined) { for (const line of dealingLines(dealing)) output.out(line); }
      if (partitioning !== undefined) {
        for (const line of partitioningLines(partitioning)) output.out(line);
      }
    }
    if (asked !== undefined) {
      output.err(
        `a change ${changeWords(asked)} is asked for, and begins ${
          asked.override === undefined ? "after" : "without"
        } a snapshot; cairn cancel ends it\n`,
      );
    }
    if (reshard !== undefined && !gives(asked, "shards", reshard.to)) {
      output.err(otherShardCount(reshard.to, reshard.from));
    }
    if (dealing !== undefined && !gives(asked, "trainers", dealing.to)) {
      const { from, to } = dealing;
      output.err(
        `trainer.count is ${to}, and the mesh has ${counted(from, "trainer")}: cairn apply ` +
          "changes it\n",
      );
    }
    const areAskedFor = gives(asked, "partitions", partitions.events) &&
      asked?.examples?.to === partitions.examples;
    if (partitioning !== undefined && !areAskedFor) {
      output.err(
        `joiner.partitions is ${partitions.events} and trainer.partitions ${partitions.examples}, ` +
          `and the mesh has ${eventPartitions} and ${examplePartitions}: cairn apply changes them\n`,
      );
    }
    const keysOf = (...kinds: readonly PartDecision["decision"]["kind"][]) =>
      decisions.filter(({ decision }) => kinds.includes(decision.kind)).map(({ key }) => key);
    const moved = keysOf("moves", "waits");
    const restored = keysOf("restores");
    const underway = keysOf("underway");
    const stuck = keysOf("unplaced");
    if (moved.length > 0) {
      const again = relearnedMs === undefined
        ? ""
        : `; a trainer learns again what came after the newest snapshot, ${
          Math.ceil(relearnedMs / 1_000)
        } s ago`;
      output.err(
        `${countedParts(moved)} would move, in about ${
          Math.ceil(estimatedMs / 1_000)
        } s; cairn apply moves ${moved.length > 1 ? "them" : "it"}${again}\n`,
      );
    }
    if (restored.length > 0) {
      output.err(`${countedParts(restored)} without a host: the hosts begin by themselves\n`);
    }
    if (underway.length > 0) {
      output.err(`${countedParts(underway)} began to move or to restore before\n`);
    }
    if (stuck.length > 0) {
      output.err(`${countedParts(stuck)} cannot move until a host has the role and room\n`);
    }
    const restless = moved.length + restored.length + underway.length + stuck.length;
    const changes = asked ?? reshard ?? dealing ?? partitioning;
    if (restless === 0 && changes === undefined) return;
    throw new CommandExit(CHANGES);
  });
}

/** Whether the change that the mesh is asked for gives this number of parts. */
function gives(asked: ReshardRecord | undefined, parts: CountedParts, to: number): boolean {
  if (asked?.parts === parts) return asked.to === to;
  return parts === "trainers" && asked?.trainers?.to === to;
}

/** Age of the newest snapshot, ms, where a trainer would go back to it; undefined otherwise. */
function relearned(view: MeshView, decisions: readonly PartDecision[]): number | undefined {
  const isMoved = ({ key, decision: { kind } }: PartDecision) =>
    key.startsWith("trainer/") && (kind === "moves" || kind === "waits");
  if (view.manifest === undefined || !decisions.some(isMoved)) return undefined;
  return Math.max(0, view.nowMs - snapshotAtMs(view.manifest.name));
}

/** The decision about a joiner or a trainer, without the rows that only shards have. */
function readerOf({ key, decision }: PartDecision) {
  const { kind, reason } = decision;
  const on = decision.kind === "stays" ? decision.on : decision.from;
  return {
    reader: key,
    kind,
    ...(on !== undefined && { on }),
    ...("to" in decision && { to: decision.to }),
    reason,
  };
}
