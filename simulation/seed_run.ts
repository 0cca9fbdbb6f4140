/**
 * One seed of a campaign, with plain data as its result, so that it may run in another thread.
 */
import type { FaultFamily } from "./plan/fault.ts";
import { drawRunPlan, type RunPlan } from "./plan/run_plan.ts";
import { probes } from "./probes.ts";
import { run } from "./run.ts";
import type { RunOutcome } from "./run_world.ts";
import type { Scenario } from "./scenarios/scenario.ts";

/** The plans of all seeds of a campaign, but for the seed. */
export interface SeedOptions {
  readonly scenario: Scenario;
  /** In place of the scenario's configuration. */
  readonly configuration?: string;
  readonly families?: readonly FaultFamily[];
  readonly forMs?: number;
}

/** A seed to run. */
export interface SeedTask {
  readonly seed: number;
  /** Whether to run it a second time and to compare. */
  readonly twice: boolean;
}

/** The result of one seed. */
export interface SeedResult {
  readonly seed: number;
  readonly kind: RunOutcome["kind"];
  readonly checker: string;
  readonly message: string;
  readonly atMs: number;
  readonly events: number;
  /** With those of a second run. */
  readonly eventsRun: number;
  readonly virtualMs: number;
  readonly faults: number;
  readonly traceHash: string;
  /** Names of the probes that the run has seen. */
  readonly probesSeen: readonly string[];
}

/** Draws the plan of a seed and runs it. */
export async function runSeed(
  options: SeedOptions,
  { seed, twice }: SeedTask,
): Promise<SeedResult> {
  const { scenario } = options;
  const plan = drawRunPlan({ ...options, seed });
  const outcome = await run(plan, scenario);
  const { kind, checker = "", message = "", atMs, events, virtualMs, traceHash, world } = outcome;
  const result = {
    seed,
    kind,
    checker,
    message,
    atMs,
    events,
    eventsRun: events,
    virtualMs,
    faults: plan.faults.length,
    traceHash,
    probesSeen: probes.filter(({ seen }) => seen(world)).map(({ name }) => name),
  };
  if (kind !== "passed" || !twice) return result;
  const second = await run(plan, scenario);
  if (second.traceHash === traceHash) return { ...result, eventsRun: events + second.events };
  return {
    ...result,
    kind: "nondeterminism",
    checker: "determinism",
    message: await firstDifference(plan, scenario, outcome, second),
  };
}

/** The first event in which two runs of one plan differ, in words. */
async function firstDifference(
  plan: RunPlan,
  scenario: Scenario,
  first: RunOutcome,
  second: RunOutcome,
): Promise<string> {
  const checkpoint = first.checkpoints.findIndex((hash, i) => hash !== second.checkpoints[i]);
  const [a, b] = [
    await run(plan, scenario, Infinity),
    await run(plan, scenario, Infinity),
  ].map(({ world }) => world.trace.events());
  const at = a.findIndex((event, i) => JSON.stringify(event) !== JSON.stringify(b[i]));
  const where = `the hashes ${first.traceHash} and ${second.traceHash} differ from checkpoint ` +
    `${checkpoint} on`;
  if (at < 0) return `${where}; two further runs were equal`;
  return `${where}; event ${at} is ${JSON.stringify(a[at])} in one run and ` +
    `${JSON.stringify(b[at])} in another`;
}
