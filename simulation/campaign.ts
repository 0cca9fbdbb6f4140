/**
 * Many seeds of one scenario: runs each, checks a share of them for determinism by running them
 * twice, and stops at the first failure.
 */
import { drawRunPlan, type RunPlan } from "./plan/run_plan.ts";
import type { RunOutcome } from "./run_world.ts";
import { runSeed, type SeedOptions, type SeedResult, type SeedTask } from "./seed_run.ts";

/** A failure; see `shrinkFailure`. */
export interface Failure {
  readonly seed: number;
  readonly kind: "correctness" | "liveness" | "crash" | "nondeterminism";
  readonly checker: string;
  readonly message: string;
  readonly plan: RunPlan;
  /** The smallest plan that is known to fail; as drawn, until it is shrunk. */
  readonly shrunk: RunPlan;
  /** Virtual time of the failure in the run of `shrunk`, ms. */
  readonly atMs: number;
  /** Runs that looked for a smaller plan. */
  readonly shrinkRuns: number;
}

/** The result of a campaign. */
export interface CampaignResult {
  readonly seedsTried: number;
  readonly events: number;
  /** With those of second runs. */
  readonly eventsRun: number;
  readonly virtualMs: number;
  readonly faults: number;
  readonly failure: Failure | undefined;
  /** Names of the probes that a run has seen. */
  readonly probesSeen: ReadonlySet<string>;
  /** The plan of the last seed as drawn; undefined where no seed was tried. */
  readonly lastPlan: RunPlan | undefined;
  /** Hash of the last run. */
  readonly traceHash: string;
}

/** How a campaign runs. */
export interface CampaignOptions extends SeedOptions {
  /** In the order in which they are tried. */
  readonly seeds: Iterable<number>;
  /** Runs a seed, perhaps in another thread. Default: {@link runSeed}. */
  readonly runSeed?: (task: SeedTask) => Promise<SeedResult>;
  /** Seeds that run at a time. Default 1. */
  readonly atATime?: number;
  /** One seed in so many runs twice; 0 = none. */
  readonly doubleEvery: number;
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

/**
 * Tries seeds until one fails or none is left. The result is that of the seeds in their order up to
 * the first that fails, however many run at a time.
 */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const probesSeen = new Set<string>();
  const total = { seedsTried: 0, events: 0, eventsRun: 0, virtualMs: 0, faults: 0 };
  let last: SeedResult | undefined;
  for await (const result of resultsOf(options)) {
    last = result;
    total.seedsTried++;
    total.events += result.events;
    total.eventsRun += result.eventsRun;
    total.virtualMs += result.virtualMs;
    total.faults += result.faults;
    for (const name of result.probesSeen) probesSeen.add(name);
    const { seed, kind } = result;
    options.onSeed?.({ seed, outcome: kind, ...total });
    if (kind !== "passed") break;
  }
  const lastPlan = last && drawRunPlan({ ...options, seed: last.seed });
  return {
    ...total,
    failure: last === undefined || lastPlan === undefined || last.kind === "passed"
      ? undefined
      : failureOf(lastPlan, { ...last, kind: last.kind }),
    probesSeen,
    lastPlan,
    traceHash: last?.traceHash ?? "",
  };
}

/** The results in the order of the seeds. */
async function* resultsOf(options: CampaignOptions): AsyncIterable<SeedResult> {
  const { doubleEvery, atATime = 1, stopped = () => false } = options;
  const run = options.runSeed ?? ((task: SeedTask) => runSeed(options, task));
  const seeds = options.seeds[Symbol.iterator]();
  const running: Promise<SeedResult>[] = [];
  let number = 0;
  for (;;) {
    while (running.length < atATime && !stopped()) {
      const next = seeds.next();
      if (next.done === true) break;
      const result = run({
        seed: next.value,
        twice: doubleEvery > 0 && number++ % doubleEvery === 0,
      });
      result.catch(() => {}); // thrown when its turn comes
      running.push(result);
    }
    const oldest = running.shift();
    if (oldest === undefined) return;
    yield await oldest;
  }
}

function failureOf(
  plan: RunPlan,
  { kind, checker, message, atMs }: SeedResult & { readonly kind: Failure["kind"] },
): Failure {
  return { seed: plan.seed, kind, checker, message, plan, shrunk: plan, atMs, shrinkRuns: 0 };
}
