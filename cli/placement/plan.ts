/**
 * The work of `cairn plan`.
 */
import {
  decisionsOf,
  type MeshPlan,
  type PartDecision,
  planMesh,
} from "../../mesh/placement/mesh_plan.ts";
import { estimateMoves } from "../../mesh/placement/move_time.ts";
import {
  type DealingPlan,
  type PartitioningPlan,
  planDealing,
  planPartitioning,
  planReshard,
  type ReshardPlan,
} from "../../mesh/placement/reshard_plan.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { MeshView, PlacedKey } from "../../mesh/ports/coordination.ts";
import { snapshotFailuresIn, snapshotFailureText } from "../../mesh/ports/snapshot_failure.ts";
import { changeWords, type CountedParts, type ReshardRecord } from "../../mesh/ports/resharding.ts";
import { snapshotAtMs } from "../../records/snapshot_manifest.ts";
import { counted } from "../../structures/counted.ts";
import { present } from "../../structures/invariant.ts";
import { servingBytesOf } from "../../server/serving_replicas.ts";
import type { Output } from "../command_line.ts";
import { CommandExit, exitCodes } from "../errors.ts";
import type { PlacementFlags } from "./command.ts";
import { withMeshStore } from "./mesh_store.ts";
import { countedParts } from "./part_names.ts";
import { heldLine, isHeld, planLines } from "./plan_lines.ts";
import {
  dealingLines,
  isReshardDue,
  otherShardCount,
  partitioningLines,
  reshardLines,
  RESTORED_BYTES_PER_SECOND,
} from "./reshard.ts";
import { comparedWithHosts } from "./running_configuration.ts";
import { servedRows, servingHostLine } from "./served_rows.ts";

/** The changes that a configuration and a mesh ask for. */
interface Changes {
  readonly view: MeshView;
  readonly configuration: CairnConfiguration;
  readonly plan: MeshPlan;
  readonly decisions: readonly PartDecision[];
  readonly estimatedMs: number;
  /** Age of the newest snapshot, ms, where a trainer would go back to it; undefined otherwise. */
  readonly relearnedMs: number | undefined;
  /** Undefined where the mesh has the number already. */
  readonly reshard: ReshardPlan | undefined;
  readonly dealing: DealingPlan | undefined;
  readonly partitioning: PartitioningPlan | undefined;
  /** The change that was asked for and has not begun. */
  readonly asked: ReshardRecord | undefined;
}

/**
 * @throws {CommandExit} With exit code 2 where shards, joiners or trainers move or would move.
 * @throws {CommandError} A running mesh cannot take the configuration.
 */
export async function planCommand(flags: PlacementFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async ({ configuration, read }) => {
    const view = await read();
    const restart = comparedWithHosts(configuration, view);
    const changes = changesOf(configuration, view);
    if (flags.json) output.out(`${JSON.stringify(jsonOf(changes))}\n`);
    else for (const line of textOf(changes)) output.out(line);
    for (const line of [...countNotes(changes), ...moveNotes(changes)]) output.err(line);
    if (isHeld(configuration, view)) output.err(heldLine);
    const { decisions, asked, reshard, dealing, partitioning } = changes;
    const isMoving = decisions.some(({ decision }) => decision.kind !== "stays");
    const counts = asked ?? reshard ?? dealing ?? partitioning;
    if (restart !== undefined) output.err(restart);
    const isChange = isMoving || counts !== undefined || restart !== undefined;
    if (isChange) throw new CommandExit(exitCodes.changes);
  });
}

function changesOf(configuration: CairnConfiguration, view: MeshView): Changes {
  const { shardCount, trainerCount, partitions } = configuration;
  const { movesMax } = present(configuration.mesh, "a store belongs to a mesh");
  const { identity, reshard } = view;
  const dealing = trainerCount === identity.trainers ? undefined : planDealing(view, trainerCount);
  const arePartitioned = partitions.events === identity.eventPartitions &&
    partitions.examples === identity.examplePartitions;
  const partitioning = arePartitioned ? undefined : planPartitioning(view, partitions);
  const plan = planMesh(view, movesMax);
  // Trainers and joiners that are given up do not move.
  if (dealing !== undefined || partitioning !== undefined) plan.delete("trainer");
  if (partitioning !== undefined) plan.delete("events");
  const decisions = decisionsOf(plan);
  return {
    view,
    configuration,
    plan,
    decisions,
    estimatedMs: estimateMoves(decisions, movesMax),
    relearnedMs: relearned(view, decisions),
    reshard: shardCount === identity.shards
      ? undefined
      : planReshard(view, shardCount, RESTORED_BYTES_PER_SECOND),
    dealing,
    partitioning,
    asked: reshard?.state === "asked" ? reshard : undefined,
  };
}

function jsonOf(changes: Changes): Record<string, unknown> {
  const { view, configuration, plan, decisions, estimatedMs, relearnedMs } = changes;
  const { reshard, dealing, partitioning, asked } = changes;
  const serving = servedRows(configuration, view);
  return {
    version: view.version,
    generation: view.generation,
    mesh: view.identity.mesh,
    estimatedMs,
    ...(relearnedMs !== undefined && { relearnedMs }),
    ...plan.get("shard"),
    ...(serving.length > 0 && { serving }),
    readers: decisions.filter(({ key }) => !key.startsWith("shard/")).map(readerOf),
    ...(reshard && { reshard: { ...reshard, servingBytes: servingBytesOf(configuration) } }),
    ...(dealing && { trainers: dealing }),
    ...(partitioning && { partitions: partitioning }),
    ...(asked && { asked }),
  };
}

function textOf(changes: Changes): string[] {
  const { view, configuration, plan, reshard, dealing, partitioning } = changes;
  return [
    ...servedRows(configuration, view).map(servingHostLine),
    ...planLines(plan, view.version),
    ...(reshard ? reshardLines(reshard, servingBytesOf(configuration)) : []),
    ...(dealing ? dealingLines(dealing) : []),
    ...(partitioning ? partitioningLines(partitioning) : []),
  ];
}

/** Notes about the numbers of shards, trainers and partitions, with the command for each. */
function countNotes(changes: Changes): string[] {
  const { view, configuration, dealing, partitioning, asked } = changes;
  const notes: string[] = [];
  if (asked !== undefined) {
    const order = asked.override === undefined ? "after" : "without";
    notes.push(
      `a change ${changeWords(asked)} is asked for, and begins ${order} a snapshot; ` +
        "cairn cancel ends it\n",
    );
    if (asked.override === undefined) {
      notes.push(
        ...snapshotFailuresIn(view).map((each) => `${snapshotFailureText(each, view.nowMs)}\n`),
      );
    }
  }
  if (isReshardDue(configuration, view)) notes.push(otherShardCount(configuration, view));
  if (dealing !== undefined && !gives(asked, "trainers", dealing.to)) {
    notes.push(
      `trainer.count is ${dealing.to}, and the mesh has ${counted(dealing.from, "trainer")}: ` +
        "cairn apply changes it\n",
    );
  }
  const { partitions } = configuration;
  const areAskedFor = gives(asked, "partitions", partitions.events) &&
    asked?.examples?.to === partitions.examples;
  if (partitioning !== undefined && !areAskedFor) {
    const { eventPartitions, examplePartitions } = view.identity;
    notes.push(
      `joiner.partitions is ${partitions.events} and trainer.partitions ${partitions.examples}, ` +
        `and the mesh has ${eventPartitions} and ${examplePartitions}: cairn apply changes them\n`,
    );
  }
  return notes;
}

/** Notes about the parts that move, and that would. */
function moveNotes({ decisions, estimatedMs, relearnedMs }: Changes): string[] {
  const notes: string[] = [];
  const moved = keysOf(decisions, "moves", "waits");
  if (moved.length > 0) {
    const seconds = Math.ceil(estimatedMs / 1_000);
    const again = relearnedMs === undefined
      ? ""
      : "; a trainer learns again what came after the newest snapshot, " +
        `${Math.ceil(relearnedMs / 1_000)} s ago`;
    notes.push(
      `${countedParts(moved)} would move, in about ${seconds} s; ` +
        `cairn apply moves ${moved.length > 1 ? "them" : "it"}${again}\n`,
    );
  }
  const restored = keysOf(decisions, "restores");
  if (restored.length > 0) {
    notes.push(`${countedParts(restored)} without a host: the hosts begin by themselves\n`);
  }
  const underway = keysOf(decisions, "underway");
  if (underway.length > 0) {
    notes.push(`${countedParts(underway)} began to move or to restore before\n`);
  }
  const stuck = keysOf(decisions, "unplaced");
  if (stuck.length > 0) {
    notes.push(`${countedParts(stuck)} cannot move until a host has the role and room\n`);
  }
  return notes;
}

/** The parts of which these are the decisions. */
function keysOf(
  decisions: readonly PartDecision[],
  ...kinds: readonly PartDecision["decision"]["kind"][]
): PlacedKey[] {
  return decisions.filter(({ decision }) => kinds.includes(decision.kind)).map(({ key }) => key);
}

/** Whether the change that the mesh is asked for gives this number of parts. */
function gives(asked: ReshardRecord | undefined, parts: CountedParts, to: number): boolean {
  if (asked?.parts === parts) return asked.to === to;
  return parts === "trainers" && asked?.trainers?.to === to;
}

/** See {@link Changes.relearnedMs}. */
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
