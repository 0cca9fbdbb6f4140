/**
 * Asks the coordination store for the numbers of partitions and of trainers that a configuration
 * has, where the mesh has others.
 */
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { type ReshardStep, reshardStep, stepText } from "../../mesh/ports/reshard_progress.ts";
import {
  changeWords,
  type CountedParts,
  type ReshardRecord,
  ReshardRefusedError,
} from "../../mesh/ports/resharding.ts";
import { present } from "../../structures/invariant.ts";
import { CommandError } from "../errors.ts";
import type { ApplyFlags } from "./command.ts";
import type { MeshStore } from "./mesh_store.ts";
import { begunChange } from "./reshard.ts";

/**
 * Asks for one change, of the partitions before the trainers. Where the mesh has the numbers
 * already, that is the change to them that has begun; undefined once it is done.
 *
 * @throws {CommandError} The mesh cannot change the number now.
 */
export async function changeCounts(
  store: MeshStore,
  view: MeshView,
  flags: ApplyFlags,
): Promise<ReshardRecord | undefined> {
  const asked = await changePartitions(store, view, flags) ??
    await changeTrainers(store, view, flags);
  if (asked !== undefined) return asked;
  const begun = begunChange(view);
  return begun?.parts === "shards" ? undefined : begun;
}

/** Asks for another number of trainers with the partitions, if the configuration has one. */
async function changePartitions(
  { configuration: { partitions, trainerCount }, coordination }: MeshStore,
  view: MeshView,
  { override }: ApplyFlags,
): Promise<ReshardRecord | undefined> {
  const { identity, version } = view;
  const { events, examples } = partitions;
  if (events === identity.eventPartitions && examples === identity.examplePartitions) {
    refuseAsked(view, "partitions", {
      "joiner.partitions": events,
      "trainer.partitions": examples,
    });
    return undefined;
  }
  if (override !== undefined) {
    const { eventPartitions, examplePartitions } = identity;
    throw new CommandError(
      "Nothing is applied: --override changes trainer.count alone. Set joiner.partitions to " +
        `${eventPartitions} and trainer.partitions to ${examplePartitions}, as the mesh has them.`,
    );
  }
  requireDone(view);
  return await asked(coordination.askReshard({
    parts: "partitions",
    to: events,
    examples,
    ...(trainerCount !== identity.trainers && { trainers: trainerCount }),
    version,
  }));
}

async function changeTrainers(
  { configuration: { trainerCount: to }, coordination }: MeshStore,
  view: MeshView,
  { override }: ApplyFlags,
): Promise<ReshardRecord | undefined> {
  const { identity, version } = view;
  if (to === identity.trainers) {
    refuseAsked(view, "trainers", { "trainer.count": to });
    if (override === undefined) return undefined;
    throw new CommandError(
      `Nothing is applied: the mesh has ${to} trainers already, and --override is for another ` +
        "trainer.count.",
    );
  }
  if (override === undefined) requireDone(view);
  return await asked(coordination.askReshard({ parts: "trainers", to, version, override }));
}

/** @throws {CommandError} A change is asked for to numbers that the file does not have. */
function refuseAsked(
  { reshard }: MeshView,
  parts: CountedParts,
  numbers: Readonly<Record<string, number>>,
): void {
  if (reshard?.state !== "asked" || reshard.parts !== parts) return;
  const found = Object.entries(numbers).map(([key, number]) => `${key} is ${number}`);
  throw new CommandError(
    `Nothing is applied: a change ${changeWords(reshard)} is asked for, and ${
      found.join(" and ")
    }: end the change by cairn cancel, or wait for it.`,
  );
}

/** @throws {CommandError} The change before is not done. */
function requireDone(view: MeshView): void {
  const begun = begunChange(view);
  if (begun === undefined) return;
  const step = present(reshardStep(view), "a change that has begun has a step");
  throw new CommandError(
    `Nothing is applied: the change ${changeWords(begun)} is not done (${stepText(step)}): ` +
      `wait until cairn status says that it is${wayOut(step)}.`,
  );
}

/** The ways out where parts do not begin, to follow "wait …". */
function wayOut(step: ReshardStep): string {
  if (step.kind !== "restoring") return "";
  const ways = [
    ...(step.shards + step.joiners > 0
      ? ["give the parts that cannot begin to another host by cairn drain"]
      : []),
    ...(step.trainers > 0
      ? ["where trainers cannot begin, apply another trainer.count with --override REASON"]
      : []),
  ];
  return ways.map((way) => `; or ${way}`).join("");
}

/** @throws {CommandError} The mesh cannot change the number now. */
async function asked(answer: Promise<ReshardRecord>): Promise<ReshardRecord> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ReshardRefusedError) throw new CommandError(error.message);
    throw error;
  }
}
