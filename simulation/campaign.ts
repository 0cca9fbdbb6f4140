/**
 * Many seeds of one scenario: runs each, checks a share of them for determinism by running them
 * twice, and stops at the first failure, which it shrinks.
 */
import type { FaultFamily } from "./plan/fault.ts";
import { drawRunPlan, type RunPlan } from "./plan/run_plan.ts";
import { probes } from "./probes.ts";
import { run } from "./run.ts";
import type { RunOutcome } from "./run_world.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { shrinkPlan } from "./shrink/shrink_plan.ts";

/** A failure, shrunk. */
export interface Failure {
  readonly seed: number;
  readonly kind: "correctness" | "liveness" | "crash" | "nondeterminism";
  readonly checker: string;
  readonly message: string;
  /** The plan as drawn, and after shrinking. */
  readonly plan: RunPlan;
  readonly shrunk: RunPlan;
  /** Virtual time of the failure in the shrunk run, ms. */
  readonly atMs: number;
  readonly shrinkRuns: number;
}

/** The result of a campaign. */
export interface CampaignResult {
  readonly seedsTried: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly faults: number;
  readonly failure: Failure | undefined;
  /** Names of probes that no run has seen. */
  readonly probesMissed: readonly string[];
  /** The plan of the last seed as drawn; undefined where no seed was tried. */
  readonly lastPlan: RunPlan | undefined;
  /** Hash of the last run. */
  readonly traceHash: string;
}

/** How a campaign runs. */
export interface CampaignOptions {
  readonly scenario: Scenario;
  /** In the order in which they are tried. */
  readonly seeds: Iterable<number>;
  readonly configuration?: string;
  readonly families?: readonly FaultFamily[];
  readonly forMs?: number;
  /** One seed in so many runs twice; 0 = none. */
  readonly doubleEvery: number;
  readonly shrinkRunsMax: number;
  readonly shrinkMsMax: number;
  /** Real time, ms. */
  readonly nowMs: () => number;
  /** Ends the campaign before the next seed. */
  readonly stopped?: () => boolean;
  readonly onSeed?: (progress: SeedProgress) => void;
}

/** Told after each seed. */
export interface SeedProgress {
  readonly seed: number;
  readonly seedsTried: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly outcome: RunOutcome["kind"];
}

/** Tries seeds until one fails or none is left. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { scenario } = options;
  const missed = new Set(probes.map(({ name }) => name));
  const total = { seedsTried: 0, events: 0, virtualMs: 0, faults: 0 };
  let failure: Failure | undefined;
  let lastPlan: RunPlan | undefined;
  let traceHash = "";
  for (const seed of options.seeds) {
    if (options.stopped?.() ?? false) break;
    const plan = drawRunPlan({ ...options, seed });
    const outcome = await run(plan, scenario);
    lastPlan = plan;
    total.seedsTried++;
    total.events += outcome.events;
    total.virtualMs += outcome.virtualMs;
    total.faults += plan.faults.length;
    traceHash = outcome.traceHash;
    for (const { name, seen } of probes) if (seen(outcome.world)) missed.delete(name);
    failure = outcome.kind === "passed"
      ? await nondeterminism(options, plan, outcome, total.seedsTried)
      : await shrunkFailure(options, plan, outcome);
    options.onSeed?.({
      seed,
      seedsTried: total.seedsTried,
      events: total.events,
      virtualMs: total.virtualMs,
      outcome: outcome.kind,
    });
    if (failure !== undefined) break;
  }
  return { ...total, failure, probesMissed: [...missed], lastPlan, traceHash };
}

async function nondeterminism(
  { doubleEvery, scenario }: CampaignOptions,
  plan: RunPlan,
  first: RunOutcome,
  number: number,
): Promise<Failure | undefined> {
  if (doubleEvery === 0 || (number - 1) % doubleEvery !== 0) return undefined;
  const second = await run(plan, scenario);
  if (second.traceHash === first.traceHash) return undefined;
  return {
    seed: plan.seed,
    kind: "nondeterminism",
    checker: "determinism",
    message: await firstDifference(plan, scenario, first, second),
    plan,
    shrunk: plan,
    atMs: first.atMs,
    shrinkRuns: 0,
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

async function shrunkFailure(
  { scenario, shrinkRunsMax, shrinkMsMax, nowMs }: CampaignOptions,
  plan: RunPlan,
  outcome: RunOutcome,
): Promise<Failure> {
  const shrunk = await shrinkPlan(plan, outcome, {
    runsMax: shrinkRunsMax,
    msMax: shrinkMsMax,
    nowMs,
    run: (candidate) => run(candidate, scenario),
  });
  const { kind, checker = "", message = "", atMs } = shrunk.outcome;
  return {
    seed: plan.seed,
    kind: kind === "passed" ? "crash" : kind,
    checker,
    message,
    plan,
    shrunk: shrunk.plan,
    atMs,
    shrinkRuns: shrunk.runs,
  };
}
