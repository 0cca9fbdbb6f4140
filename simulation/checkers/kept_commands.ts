/**
 * The commands of an operator hold.
 *
 *     ∀ apply:  the plan has one decision, with a reason, for each part of the mesh
 *     ∀ cancel, rollback that the store has taken, until the next command begins:
 *         no part begins to leave a host that is up, but by the moves of the rollback, or by a step
 *         that was decided while the host drained
 *     ∀ part, ∀ host that it begins to go to:  the host does not drain
 *     ∀ part, ∀ host that it comes to:  the drain of the host, if there is one, was not over
 *
 * A fail-over of Redis to an earlier state may lose the command: the promise ends then, and begins
 * anew when the operator has accepted the loss.
 */
import { drainProgress } from "../../mesh/placement/drain_progress.ts";
import { decisionsOf, planMesh } from "../../mesh/placement/mesh_plan.ts";
import { rolesOf } from "../../mesh/placement/mesh_views.ts";
import type { PlannedMove } from "../../mesh/placement/plan_document.ts";
import {
  type HostRecord,
  type HostRun,
  isSameRun,
  type MeshView,
  parsePlacedKey,
  type PlacedKey,
  type Placement,
  RECOVERY_STEP,
} from "../../mesh/ports/coordination.ts";
import type { PlanCommand } from "../plan/mesh_fault.ts";
import type { CheckerFactory } from "./checker.ts";
import { ownerRunOf } from "./shard_epochs.ts";

/** Time for which a step that the controller has decided may be under way, ms: a lease. */
const STEP_MS = 3_000;

/** The last command, where it holds the parts, and its moves. */
interface Held {
  readonly command: PlanCommand;
  readonly moves: readonly PlannedMove[];
}

/** @param now All that the store has; undefined before the mesh is opened. */
export function keptCommands(now: () => MeshView | undefined): CheckerFactory {
  return (context) => {
    let held: Held | undefined;
    /** The one before the command that is under way. */
    let before: Held | undefined;
    /** Whether Redis has kept its data since the last command began. */
    let isWhole = false;
    let isLost = false;
    /** Until when parts may leave a host that drains, or has drained just now. */
    const leavesUntilMs = new Map<string, number>();
    return {
      name: "kept-commands",
      drains(host, isDraining) {
        leavesUntilMs.set(host, isDraining ? Infinity : context.nowMs() + STEP_MS);
      },
      commandBegan() {
        before = held;
        held = undefined;
        isWhole = true;
      },
      commandTaken(command, moves) {
        if (command !== "apply") {
          if (isWhole) held = moves === undefined ? before : { command, moves };
          return;
        }
        const view = now();
        const part = view && unaccounted(view);
        if (part !== undefined) context.fail(`the plan does not say where ${part} goes, and why`);
      },
      redisLost() {
        isLost = true;
        isWhole = false;
        held = before = undefined;
      },
      placed(key, earlier, after) {
        if (earlier === undefined) return;
        if (after.epoch >= earlier.epoch + RECOVERY_STEP) isLost = false;
        const view = isLost ? undefined : now();
        if (view === undefined) return;
        const part = key as PlacedKey;
        const from = ownerRunOf(earlier);
        const owner = ownerRunOf(after);
        if (owner !== undefined && !(from && isSameRun(from, owner))) {
          const placements = new Map(view.placements).set(part, earlier);
          if (isDrained({ ...view, placements }, owner.host)) {
            context.fail(`${key} comes to ${owner.host}, whose drain was over`);
          }
        }
        const to = newHostOf(earlier, after);
        if (to === undefined) return;
        if (view.hosts.get(to.host)?.state === "draining") {
          context.fail(`${key} goes to ${to.host}, which drains`);
        }
        if (held === undefined || earlier.state !== "active" || from === undefined) return;
        if (context.nowMs() < (leavesUntilMs.get(from.host) ?? 0)) return;
        if (!keeps(view.hosts.get(from.host), from, part)) return;
        const isMoved = held.moves.some((move) => move.key === part && move.to === to.host);
        if (isMoved) return;
        context.fail(
          `${part} leaves ${from.host}, which is up, for ${to.host} after cairn ${held.command}`,
        );
      },
    };
  };
}

/** Whether `cairn drain --wait` says of a host that it may be stopped. */
function isDrained(view: MeshView, host: string): boolean {
  return view.hosts.get(host)?.state === "draining" && drainProgress(view, host).isOver;
}

/** The host that a part begins to go to with a change. */
function newHostOf(before: Placement, after: Placement): HostRun | undefined {
  if (after.state === "moving") return before.state === "moving" ? undefined : after.target;
  const [from, to] = [ownerRunOf(before), ownerRunOf(after)];
  if (to === undefined || from !== undefined && isSameRun(from, to)) return undefined;
  // The end of a move.
  return before.state === "moving" && isSameRun(before.target, to) ? undefined : to;
}

/** Whether a host may keep a part that it has. */
function keeps(host: HostRecord | undefined, run: HostRun, key: PlacedKey): boolean {
  return host !== undefined && isSameRun(host, run) && host.state === "up" &&
    host.roles.includes(rolesOf[parsePlacedKey(key).kind]);
}

/** The first part of which the plan has not one decision with a reason. */
function unaccounted(view: MeshView): PlacedKey | undefined {
  const decisions = Map.groupBy(decisionsOf(planMesh(view, Infinity)), ({ key }) => key);
  return [...view.placements.keys()].find((key) => {
    const found = decisions.get(key) ?? [];
    return found.length !== 1 || found[0].decision.reason === "";
  });
}
