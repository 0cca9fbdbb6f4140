/**
 * Runs a plan: the world, the clients of its scenario, the built-in checkers and the scenario's
 * own.
 */
import { unbanned } from "./ambient_ban.ts";
import { allCheckers } from "./checkers/all.ts";
import type { Values } from "./plan/knobs.ts";
import { configurationOf, type RunPlan } from "./plan/run_plan.ts";
import { pendingIn } from "./liveness.ts";
import { meshCheckers } from "./mesh/mesh_checkers.ts";
import { pendingInMesh } from "./mesh/mesh_liveness.ts";
import { MeshWorld } from "./mesh/mesh_world.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { type RunOutcome, runWorld } from "./run_world.ts";
import { ProcessWorld } from "./world/process_world.ts";
import { cairnProgram } from "./world/program.ts";
import type { World } from "./world/world.ts";

/** Default number of trace events in a report. */
const TRACE_EVENTS_MAX = 0;

/** Runs the plan from beginning to end, in a world of one process or of several hosts. */
export async function run(
  plan: RunPlan,
  scenario: Scenario,
  traceEventsMax = TRACE_EVENTS_MAX,
): Promise<RunOutcome> {
  const configuration = configurationOf(plan.configuration, plan.values);
  let values = plan.values;
  const common = {
    ...plan,
    configuration,
    traceEventsMax,
    // The parser of YAML reads environment variables of its own.
    reconfigure: (changes: Values) =>
      unbanned(() => configurationOf(plan.configuration, values = { ...values, ...changes })),
  };
  const workload = (world: World, client: string) => scenario.workload(world, client);
  const ownCheckers = scenario.checkers ?? [];
  if (configuration.mesh !== undefined) {
    return await runWorld({
      ...plan,
      create: () =>
        new MeshWorld({ ...common, checkers: (world) => [...meshCheckers(world), ...ownCheckers] }),
      pending: async (world) => await pendingInMesh(world) ?? await scenario.pending?.(world),
      workload,
    });
  }
  return await runWorld({
    ...plan,
    create: () =>
      new ProcessWorld({
        ...common,
        program: cairnProgram,
        checkers: (world) => [...allCheckers(world), ...ownCheckers],
      }),
    pending: async (world) => await pendingIn(world) ?? await scenario.pending?.(world),
    workload,
  });
}
