/**
 * Runs a plan: the world, the clients of its scenario, the built-in checkers and the scenario's
 * own.
 */
import { unbanned } from "./ambient_ban.ts";
import { allCheckers } from "./checkers/all.ts";
import { configurationOf, type RunPlan } from "./plan/run_plan.ts";
import { pendingIn } from "./liveness.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { type RunOutcome, runWorld } from "./run_world.ts";
import { ProcessWorld } from "./world/process_world.ts";
import { cairnProgram } from "./world/program.ts";

/** Events kept for a report where nothing else is said. */
const TRACE_EVENTS_MAX = 0;

/** Runs the plan from beginning to end. */
export async function run(
  plan: RunPlan,
  scenario: Scenario,
  traceEventsMax = TRACE_EVENTS_MAX,
): Promise<RunOutcome> {
  const configuration = configurationOf(plan.configuration, plan.values);
  let values = plan.values;
  return await runWorld({
    ...plan,
    create: () =>
      new ProcessWorld({
        ...plan,
        program: cairnProgram,
        configuration,
        traceEventsMax,
        // The parser of YAML reads environment variables of its own.
        reconfigure: (changes) =>
          unbanned(() => configurationOf(plan.configuration, values = { ...values, ...changes })),
        checkers: (world) => [...allCheckers(world), ...scenario.checkers ?? []],
      }),
    pending: async (world) => await pendingIn(world) ?? await scenario.pending?.(world),
    workload: (world, client) => scenario.workload(world, client),
  });
}
