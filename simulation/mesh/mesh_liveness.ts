/**
 * The work that a healed mesh of several hosts still has to do.
 */
import { movesOf, planMesh } from "../../mesh/placement/mesh_plan.ts";
import { lastPlan } from "../../mesh/placement/plan_commands.ts";
import { mayBalance, type PlannedMove } from "../../mesh/placement/plan_document.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { reshardStep } from "../../mesh/ports/reshard_progress.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import { present } from "../../structures/invariant.ts";
import { type LogsAtRest, pendingOf } from "../liveness.ts";
import type { MeshWorld } from "./mesh_world.ts";

/** For so long no actor may have been restarted, ms. */
const STEADY_MS = 1_000;

/**
 * The pending work in words; undefined when there is none.
 *
 *     every host has started and has a lease;
 *     every shard and partition is active, and none is to move;
 *     the plan of the operator has ended, and a host that drains has nothing that another can take;
 *     every serving host uses the replicas of the present sharding;
 *     seen from every serving host: the logs are read, everything learned is served
 */
export async function pendingInMesh(world: MeshWorld): Promise<string | undefined> {
  const incomplete = world.incomplete;
  if (incomplete !== undefined) return incomplete;
  const { actor, atMs } = world.lastBegun;
  if (atMs + STEADY_MS > world.clock.monotonicMs()) return `${actor} was restarted just now`;
  try {
    const view = await world.coordination().read();
    const { placements, hosts, nowMs } = view;
    for (const host of world.hosts) {
      if ((hosts.get(host)?.expiresMs ?? 0) <= nowMs) return `host ${host} has no lease`;
    }
    const step = reshardStep(view)?.kind;
    if (step !== undefined && step !== "done" && step !== "cancelled") {
      return `the change of the number of ${view.reshard?.parts} is ${step}`;
    }
    for (const [key, { state, epoch }] of placements) {
      if (state !== "active") return `${key} is ${state} in epoch ${epoch}`;
    }
    if (lastPlan(view)?.state === "active") return "the plan is not carried out";
    const moves = nextMoves(world, view);
    if (moves.length > 0) return `${moves[0].key} is to move to ${moves[0].to}`;
    const logs = logsAtRest(world);
    for (const host of world.hosts) {
      const serving = world.processOf(host)?.composed?.serving;
      if (serving === undefined) continue;
      const pending = await pendingOf(serving, logs, host);
      if (pending !== undefined) return `host ${host}: ${pending}`;
    }
    return undefined;
  } catch (error) {
    return `no answer: ${reasonOf(error)}`;
  }
}

/** The moves that the controller begins next, to even out the hosts or off those that drain. */
function nextMoves({ configuration }: MeshWorld, view: MeshView): PlannedMove[] {
  const { balance, movesMax } = present(configuration.mesh, "a mesh has hosts");
  const moves = movesOf(planMesh(view, movesMax));
  if (balance && mayBalance(view)) return moves;
  return moves.filter(({ from }) => view.hosts.get(from)?.state === "draining");
}

function logsAtRest({ redis, configuration }: MeshWorld): LogsAtRest {
  const { partitions } = configuration;
  return {
    partition(log, partition) {
      const state = redis.log(log, partitions[log as keyof typeof partitions]);
      return { durable: state.endOffset(partition), last: state.newest(partition) };
    },
  };
}
