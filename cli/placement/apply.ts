/**
 * The work of `cairn apply`, `cairn cancel` and `cairn rollback`.
 */
import { movesOf, planMesh } from "../../mesh/placement/mesh_plan.ts";
import {
  cancelPlan,
  hasActivePlan,
  isPlanLast,
  lastPlan,
  type Moves,
  movesBack,
  writeMoves,
} from "../../mesh/placement/plan_commands.ts";
import {
  decodePlan,
  isBegun,
  isLeft,
  type PlanDocument,
  type PlannedMove,
} from "../../mesh/placement/plan_document.ts";
import { planDealing, planPartitioning } from "../../mesh/placement/reshard_plan.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { PlanConflictError } from "../../mesh/ports/coordination_errors.ts";
import {
  changedNumbers,
  changeWords,
  type ReshardRecord,
  wayBack,
} from "../../mesh/ports/resharding.ts";
import { counted } from "../../structures/counted.ts";
import { present } from "../../structures/invariant.ts";
import type { Output } from "../command_line.ts";
import { CommandError, CommandExit, exitCodes } from "../errors.ts";
import { changeCounts } from "./change_counts.ts";
import type { ApplyFlags, PlacementFlags } from "./command.ts";
import { type MeshStore, withMeshStore } from "./mesh_store.ts";
import { countedParts, partName } from "./part_names.ts";
import { heldLine, isHeld } from "./plan_lines.ts";
import {
  changeLine,
  dealingLines,
  isReshardDue,
  otherShardCount,
  partitioningLines,
  waitForReshard,
} from "./reshard.ts";
import { comparedWithHosts } from "./running_configuration.ts";
import { drainsEnd } from "./undrain_advice.ts";
import { Wait } from "./wait.ts";

/**
 * Moves parts as `cairn plan` shows, and changes the numbers of partitions and of trainers where
 * those of the configuration are others.
 *
 * @throws {CommandError} The mesh is at another version, changed meanwhile, or cannot take the
 * configuration.
 * @throws {CommandExit} With exit code 2 where another number of shards is left to `cairn reshard`,
 * or sections to a restart of the hosts.
 */
export async function applyCommand(flags: ApplyFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async (store) => {
    const view = await store.read();
    if (flags.ifVersion !== undefined && flags.ifVersion !== view.version) {
      throw new CommandError(
        `The mesh is at version ${view.version}, not ${flags.ifVersion}: look at cairn plan again.`,
      );
    }
    const { configuration } = store;
    const restart = comparedWithHosts(configuration, view);
    const isDue = isReshardDue(configuration, view);
    if (isDue) output.err(otherShardCount(configuration, view));
    const plan = planMesh(view, Infinity);
    const reshard = await changeCounts(store, view, flags);
    // The new trainers and joiners are given to the hosts evenly.
    if (reshard !== undefined) plan.delete("trainer");
    if (reshard?.parts === "partitions") plan.delete("events");
    if (reshard !== undefined && !flags.json) {
      for (const line of reshardedLines(view, reshard)) output.out(line);
    }
    try {
      await write(store, view, { kind: "apply", moves: movesOf(plan), reshard }, flags, output);
    } catch (error) {
      if (reshard === undefined || !(error instanceof PlanConflictError)) throw error;
      throw new CommandError(
        `${error.message} The change ${changeWords(reshard)} is made all the same.`,
      );
    }
    if (restart !== undefined) output.err(restart);
    if (isDue || restart !== undefined) throw new CommandExit(exitCodes.changes);
  });
}

function reshardedLines(view: MeshView, reshard: ReshardRecord): string[] {
  const { parts, to, examples, trainers, state } = reshard;
  if (state === "begun") return [changeLine(view, reshard)];
  if (parts !== "partitions") return dealingLines(planDealing(view, to));
  return [
    ...partitioningLines(planPartitioning(view, { events: to, examples: examples?.to ?? to })),
    ...(trainers ? dealingLines(planDealing(view, trainers.to)) : []),
  ];
}

/**
 * Writes the reverse of the last plan, for the parts that it has moved or begun to move. That is
 * the plan then, also where nothing moves back: what the last one has not begun does not move, and
 * the hosts do not even out by themselves, which would repeat it. Where the last plan is a rollback
 * already, the command joins it.
 *
 * @throws {CommandError} There is no plan, or the number of shards, trainers or partitions has
 * changed since.
 */
export async function rollbackCommand(flags: ApplyFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async (store) => {
    const view = await store.read();
    requirePlanIsLast(view);
    const plan = planIn(view);
    if (plan.kind === "rollback" && plan.state === "done") {
      output.out(flags.json ? '{"moves":[]}\n' : "the plan is rolled back already\n");
      return;
    }
    await write(store, view, { kind: "rollback", moves: movesBack(view, plan) }, flags, output);
  });
}

/** @throws {CommandError} The newest command changed a number and moved nothing. */
function requirePlanIsLast(view: MeshView): void {
  const { reshard } = view;
  if (reshard === undefined || isPlanLast(view, lastPlan(view))) return;
  const remedy = reshard.state === "asked"
    ? "cairn cancel ends it"
    : `to go back, ${wayBack(reshard)}`;
  throw new CommandError(
    `Nothing is moved back: the last command is a change ${changeWords(reshard)}, which moves no ` +
      `part; ${remedy}.`,
  );
}

/**
 * Ends the change of the number of shards, trainers or partitions where one is asked for, otherwise
 * the plan of moves, which the hosts then do not make by themselves either.
 *
 * @throws {CommandError} There is neither, or it has ended.
 */
export async function cancelCommand(flags: PlacementFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async ({ configuration, coordination, read }) => {
    const view = await read();
    if (view.reshard?.state === "asked") {
      const change = await coordination.cancelReshard().catch((error: Error) => {
        throw new CommandError(error.message);
      });
      const kept = changedNumbers(change).map(({ from, noun }) => `${from} ${noun}`).join(" and ");
      const cancelled = `the change ${changeWords(change)} ends; the mesh keeps ${kept}\n`;
      output.out(flags.json ? '{"cancelled":true}\n' : cancelled);
      if (hasActivePlan(view)) {
        output.err("the plan of moves goes on: another cairn cancel ends it\n");
      }
      return;
    }
    const plan = planIn(view);
    if (plan.state !== "active") {
      const end = plan.state === "incomplete" ? "has ended" : `is ${plan.state}`;
      throw new CommandError(`The plan ${end} already.${drainsEnd(view)}`);
    }
    const written = await cancelPlan(coordination, view);
    output.out(
      flags.json ? '{"cancelled":true}\n' : "the plan ends; cairn status shows what is left\n",
    );
    if (isHeld(configuration, { ...view, plan: written })) output.err(heldLine);
    for (const move of plan.moves) {
      const placement = view.placements.get(move.key);
      if (move.key.startsWith("shard/") || !placement || !isBegun(placement, move)) continue;
      const after = plan.kind === "apply" ? "cairn rollback moves it back" : "it stays there";
      output.err(`${partName(move.key)} has its new owner ${move.to} already: ${after}\n`);
    }
  });
}

function planIn(view: MeshView): PlanDocument {
  const plan = lastPlan(view);
  if (plan === undefined) {
    throw new CommandError(`No plan was applied to this mesh yet.${drainsEnd(view)}`);
  }
  return plan;
}

/** The steps of a command at the store. */
interface Changes extends Omit<Moves, "movesMax"> {
  /** A change of the number of trainers or partitions that was asked for, or is under way. */
  readonly reshard?: ReshardRecord | undefined;
}

async function write(
  store: MeshStore,
  view: MeshView,
  { reshard, ...changes }: Changes,
  flags: ApplyFlags,
  output: Output,
): Promise<void> {
  const { configuration, coordination } = store;
  const wait = Wait.of(store, flags, output);
  const { movesMax } = present(configuration.mesh, "a store belongs to a mesh");
  const limit = flags.maxMoves ?? movesMax;
  const { plan, isJoined, moves } = await writeMoves(coordination, view, {
    ...changes,
    movesMax: limit,
  });
  if (flags.json) {
    const edition = plan && { edition: plan.edition };
    output.out(`${JSON.stringify({ ...edition, moves, ...(reshard && { reshard }) })}\n`);
  } else if (moves.length > 0 || reshard === undefined) {
    output.out(
      isJoined && moves.length === 0
        ? "all moves of the plan are made\n"
        : movesLine(moves, limit, changes.kind),
    );
  }
  if (isJoined) output.err("the plan is under way already\n");
  else if (plan !== undefined && moves.length === 0 && hasActivePlan(view)) {
    output.err("the plan before ends: parts that it has not begun to move stay\n");
  }
  const after = { ...view, plan: plan ?? view.plan };
  if (isHeld(configuration, after)) output.err(heldLine);
  else if (isHeld(configuration, view)) output.err("the hosts even out by themselves again\n");
  if (wait && reshard !== undefined) await waitForReshard(wait, output);
  if (wait && plan !== undefined && (moves.length > 0 || isJoined)) {
    const { firstEdition } = decodePlan(plan.document, view.identity);
    await waitForEnd(wait, firstEdition, output);
  }
}

/** The moves in words. */
function movesLine(moves: readonly PlannedMove[], movesMax: number, kind: Moves["kind"]): string {
  if (moves.length > 0) {
    const parts = countedParts(moves.map(({ key }) => key));
    return `${parts} ${
      moves.length === 1 ? "moves" : "move"
    }, at most ${movesMax} of a kind at a time\n`;
  }
  return kind === "apply"
    ? "there is nothing to move\n"
    : "there is nothing to move back: no part of the last plan is at its new host\n";
}

/**
 * Resolves when the hosts have carried a plan out.
 *
 * @throws {CommandError} Another command has ended it, or moves could not be made.
 */
async function waitForEnd(wait: Wait, firstEdition: number, output: Output): Promise<void> {
  let shown = "";
  await wait.until((view) => {
    const plan = planIn(view);
    if (plan.firstEdition !== firstEdition) {
      throw new CommandError("The plan has not been carried out: another one has replaced it.");
    }
    const { voided, state } = plan;
    if (voided.length > 0 && (state === "active" || state === "incomplete")) {
      const all = counted(plan.moves.length + voided.length, "move");
      throw new CommandError(
        `The plan has ended: ${voided.length} of its ${all}, made or not, are of parts that the ` +
          "mesh has given up since, by cairn recover or a change of a number. See cairn status, " +
          "and apply again.",
      );
    }
    const left = plan.moves.filter((move) => isLeft(view, move)).length;
    const line = `${plan.moves.length - left} of ${counted(plan.moves.length, "move")} are done\n`;
    if (line !== shown) output.err(line);
    shown = line;
    if (plan.state === "cancelled") throw new CommandError("The plan was cancelled.");
    if (plan.state === "incomplete") {
      const parts = (plan.elsewhere ?? []).map(partName).join(", ");
      throw new CommandError(
        `The plan has ended, and not all parts are on their new hosts: ${parts}. A host that was ` +
          "to take a part is gone, drains, has no link with its owner, or could not begin it: see " +
          "cairn status, and apply again.",
      );
    }
    return plan.state === "done";
  });
}
