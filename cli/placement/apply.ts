/**
 * The work of `cairn apply`, `cairn cancel` and `cairn rollback`.
 */
import { movesOf, planMesh } from "../../mesh/placement/mesh_plan.ts";
import {
  decodePlan,
  encodePlan,
  isAhead,
  isBegun,
  newPlan,
  type PlanDocument,
  type PlannedMove,
  reversed,
} from "../../mesh/placement/plan_document.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { counted } from "../../structures/counted.ts";
import { present } from "../../structures/invariant.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import type { ApplyFlags, PlacementFlags } from "./command.ts";
import { type MeshStore, withMeshStore } from "./mesh_store.ts";
import { countedParts, partName } from "./part_names.ts";

/** Pause between two looks at the store while a command waits, ms. */
const LOOK_MS = 1_000;

/** @throws {CommandError} The mesh is at another version, or changed meanwhile. */
export async function applyCommand(flags: ApplyFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async (store) => {
    const view = await store.read();
    if (flags.ifVersion !== undefined && flags.ifVersion !== view.version) {
      throw new CommandError(
        `The mesh is at version ${view.version}, not ${flags.ifVersion}: look at cairn plan again.`,
      );
    }
    await write(store, view, movesOf(planMesh(view, Infinity)), flags, output);
  });
}

/** Writes the reverse of the last plan, for the parts that it has moved. */
export async function rollbackCommand(flags: ApplyFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async (store) => {
    const view = await store.read();
    const back = reversed(planIn(view)).filter((move) => isLeft(view, move));
    await write(store, view, back, flags, output);
  });
}

/**
 * Ends the change of the number of shards where one is asked for, otherwise the plan of moves.
 *
 * @throws {CommandError} There is neither, or it has ended.
 */
export async function cancelCommand(flags: PlacementFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async ({ coordination, read }) => {
    const view = await read();
    if (view.reshard?.state === "asked") {
      const { from } = await coordination.cancelReshard().catch((error: Error) => {
        throw new CommandError(error.message);
      });
      const cancelled = `the change of the number of shards ends; the mesh keeps ${from}\n`;
      return output.out(flags.json ? '{"cancelled":true}\n' : cancelled);
    }
    const plan = planIn(view);
    if (plan.state !== "active") throw new CommandError(`The plan is ${plan.state} already.`);
    const { edition } = present(view.plan, "the plan was read");
    await coordination.writePlan({ edition }, encodePlan({ ...plan, state: "cancelled" }));
    output.out(
      flags.json ? '{"cancelled":true}\n' : "the plan ends; cairn status shows what is left\n",
    );
    for (const move of plan.moves) {
      const placement = view.placements.get(move.key);
      if (move.key.startsWith("shard/") || !placement || !isBegun(placement, move)) continue;
      output.err(
        `${
          partName(move.key)
        } has its new owner ${move.to} already: cairn rollback moves it back\n`,
      );
    }
  });
}

/** Whether a part is still where the move begins, or on its way. */
function isLeft(view: MeshView, move: PlannedMove): boolean {
  const placement = view.placements.get(move.key);
  return placement !== undefined && isAhead(placement, move);
}

function planIn(view: MeshView): PlanDocument {
  if (view.plan === undefined) throw new CommandError("No plan was applied to this mesh yet.");
  return decodePlan(view.plan.document, view.identity);
}

async function write(
  store: MeshStore,
  view: MeshView,
  moves: readonly PlannedMove[],
  { maxMoves, json, wait }: ApplyFlags,
  output: Output,
): Promise<void> {
  if (moves.length === 0) {
    return output.out(json ? '{"moves":[]}\n' : "there is nothing to move\n");
  }
  const { movesMax } = present(store.configuration.mesh, "a store belongs to a mesh");
  const { sharding } = view.identity;
  const plan = newPlan({ sharding, moves, movesMax: maxMoves ?? movesMax });
  const { edition } = await store.coordination.writePlan(
    { edition: view.plan?.edition ?? 0, version: view.version },
    encodePlan(plan),
  );
  output.out(
    json
      ? `${JSON.stringify({ edition, moves })}\n`
      : `${countedParts(moves.map(({ key }) => key))} ${
        moves.length === 1 ? "moves" : "move"
      }, at most ${plan.movesMax} of a kind at a time\n`,
  );
  if (wait) await waitForEnd(store, edition, output);
}

/** Resolves when the hosts have carried the plan out. */
async function waitForEnd({ coordination, read }: MeshStore, edition: number, output: Output) {
  let shown = "";
  for (;;) {
    const view = await read();
    const plan = planIn(view);
    const left = plan.moves.filter((move) => isLeft(view, move)).length;
    const line = `${plan.moves.length - left} of ${counted(plan.moves.length, "move")} are done\n`;
    if (line !== shown) output.err(line);
    shown = line;
    if (view.plan?.edition !== edition || plan.state !== "active") return;
    await coordination.watch(view.revision, LOOK_MS);
  }
}
