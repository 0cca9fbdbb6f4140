/**
 * The work of `cairn reshard`: another number of shards, while the mesh serves. The lines about a
 * change of trainers or partitions, which `cairn apply` makes, are here too.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { sizeText } from "../../mesh/placement/byte_sizes.ts";
import {
  type DealingPlan,
  type PartitioningPlan,
  planReshard,
  type ReshardPlan,
} from "../../mesh/placement/reshard_plan.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { type ReshardStep, reshardStep, stepText } from "../../mesh/ports/reshard_progress.ts";
import {
  numbersText,
  type ReshardRecord,
  ReshardRefusedError,
} from "../../mesh/ports/resharding.ts";
import { counted } from "../../structures/counted.ts";
import { present } from "../../structures/invariant.ts";
import { servingBytesOf } from "../../server/serving_replicas.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import type { ReshardFlags } from "./command.ts";
import { withMeshStore } from "./mesh_store.ts";
import { Wait } from "./wait.ts";

/** Whether a configuration has another number of shards than the mesh has, or is asked for. */
export function isReshardDue(
  { shardCount }: Pick<CairnConfiguration, "shardCount">,
  { identity, reshard }: MeshView,
): boolean {
  const isAsked = reshard?.state === "asked" && reshard.parts === "shards" &&
    reshard.to === shardCount;
  return shardCount !== identity.shards && !isAsked;
}

/** The line about a number of shards that {@link isReshardDue}. */
export function otherShardCount(
  { shardCount }: Pick<CairnConfiguration, "shardCount">,
  { identity }: MeshView,
): string {
  return `shards.count is ${shardCount}, and the mesh has ${identity.shards} shards: ` +
    `cairn reshard --shards ${shardCount} changes it\n`;
}

/** The change of a number that has begun and is not done; undefined where there is none. */
export function begunChange(view: MeshView): ReshardRecord | undefined {
  const step = reshardStep(view);
  return step?.kind === "restoring" || step?.kind === "serving" ? view.reshard : undefined;
}

/** The line about a change and its step. */
export function changeLine(view: MeshView, change: ReshardRecord): string {
  return `${numbersText(change)}: ${stepText(present(reshardStep(view), "it has a step"))}\n`;
}

/** A line about a step, and a key that differs from those of other steps. */
interface StepLine {
  readonly key: string;
  readonly line: string;
}

/**
 * The line about a change of the number of shards for which no shard moves until it has begun;
 * undefined where there is none.
 */
export function holdingLine(view: MeshView): StepLine | undefined {
  const { reshard } = view;
  if (reshard?.parts !== "shards" || reshard.state !== "asked") return undefined;
  const line = "no shard moves before the change that is asked for, which cairn cancel ends: " +
    changeLine(view, reshard);
  return { key: keyOf(present(reshardStep(view), "it has a step")), line };
}

/** Attempts at a snapshot that fail one after another, each for its own file, are one step. */
function keyOf(step: ReshardStep): string {
  return step.kind === "snapshotting" && step.failure !== undefined ? "failing" : stepText(step);
}

/** Bytes of rows that a host restores a second, on a machine of two busy cores. */
export const RESTORED_BYTES_PER_SECOND = 40 * 2 ** 20;

/**
 * Asks for the number of shards of the configuration, unless the change to it has begun; with
 * `flags.wait` until every serving host uses the new shards.
 *
 * @throws {CommandError} The mesh cannot change the number now, or the change was cancelled.
 */
export async function reshardCommand(flags: ReshardFlags, output: Output): Promise<void> {
  const { shards, ifVersion, json } = flags;
  const typed = shards === undefined ? [] : [`shards.count=${shards}`];
  await withMeshStore({ ...flags, set: [...flags.set, ...typed] }, async (store) => {
    const { configuration, coordination, read } = store;
    const wait = Wait.of(store, flags, output);
    const view = await read();
    const to = configuration.shardCount;
    const begun = begunChange(view);
    if (begun?.parts === "shards" && begun.to === to) {
      output.out(json ? `${JSON.stringify(begun)}\n` : changeLine(view, begun));
      if (wait !== undefined) await waitForReshard(wait, output);
      return;
    }
    const plan = planReshard(view, to, RESTORED_BYTES_PER_SECOND);
    const servingBytes = servingBytesOf(configuration);
    if (plan.unplaced > 0) {
      throw new CommandError(
        `${plan.unplaced} of ${to} shards would find no room: start another host with shards, or ` +
          "raise mesh.hosts.*.capacity.",
      );
    }
    try {
      const asked = await coordination.askReshard({
        parts: "shards",
        to,
        ...(ifVersion !== undefined && { version: ifVersion }),
      });
      output.out(
        json
          ? `${JSON.stringify({ ...asked, plan: { ...plan, servingBytes } })}\n`
          : reshardLines(plan, servingBytes).join(""),
      );
    } catch (error) {
      if (error instanceof ReshardRefusedError) throw new CommandError(error.message);
      throw error;
    }
    if (wait !== undefined) await waitForReshard(wait, output);
  });
}

/** A planned change in words. */
export function reshardLines(plan: ReshardPlan, servingBytes: number): string[] {
  const { from, to, rows, bytes, readBytes, pauseMs, hosts } = plan;
  return [
    `${from} -> ${to} shards: ${counted(rows, "row")}, ${sizeText(bytes)}, of which the ` +
    `new shards read ${sizeText(readBytes)} from a snapshot\n`,
    ...hosts.map(({ host, shardsBefore, shardsAfter }) =>
      `${host}  ${shardsBefore} -> ${shardsAfter} shards\n`
    ),
    `training stands still for about ${Math.ceil(pauseMs / 1_000)} s; rankings go on, and each ` +
    `serving host has up to ${
      sizeText(servingBytes)
    } more in memory until it uses the new shards\n`,
  ];
}

/** A planned change of the number of trainers in words. */
export function dealingLines({ from, to, hosts, unplaced }: DealingPlan): string[] {
  return [
    `${from} -> ${to} trainers\n`,
    ...hosts.map(({ host, before, after }) => `${host}  ${before} -> ${after} trainers\n`),
    ...(unplaced > 0 ? ["no host that is up has the role trainer\n"] : []),
    "training stands still while the trainers begin again at a snapshot that is taken before; " +
    "rankings go on\n",
  ];
}

/** A planned change of the partitions in words. */
export function partitioningLines({ from, to, hosts, unplaced }: PartitioningPlan): string[] {
  const change = {
    parts: "partitions",
    from: from.events,
    to: to.events,
    examples: { from: from.examples, to: to.examples },
  } as const;
  return [
    `${numbersText(change)}\n`,
    ...hosts.map(({ host, before, after }) => `${host}  ${before} -> ${after} joiners\n`),
    ...(unplaced > 0 ? ["no host that is up has the role joiner\n"] : []),
    "a snapshot is taken, then the former joiners read their partitions to the end and the new ones " +
    "take over their open rankings; learning stands still meanwhile, rankings and events go on\n",
  ];
}

/**
 * Resolves when the last change of a number of parts is done; shows its steps.
 *
 * @throws {CommandError} It was cancelled.
 */
export async function waitForReshard(wait: Wait, output: Output): Promise<void> {
  let shown = "";
  await wait.until((view) => {
    const step = present(reshardStep(view), "a change was asked for");
    const key = keyOf(step);
    if (key !== shown) output.err(`${stepText(step)}\n`);
    shown = key;
    if (step.kind === "cancelled") throw new CommandError("The change was cancelled.");
    return step.kind === "done";
  });
}
