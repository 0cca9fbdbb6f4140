/**
 * Makes a failing run small: a shorter run, fewer faults, fewer clients, plainer knobs. A smaller
 * run counts only if the same checker fails.
 */
import type { Fault } from "../plan/fault.ts";
import type { RunPlan } from "../plan/run_plan.ts";
import { SEED_END } from "../seed.ts";
import { minimize } from "./minimize.ts";
import { type RunFailure, type SearchOptions, SmallerPlans } from "./smaller_plans.ts";

/** A smaller plan that fails in the same way. */
export interface Shrunk {
  readonly plan: RunPlan;
  readonly outcome: RunFailure;
  readonly runs: number;
}

/** A run is not made shorter than this, ms: its process needs time to start. */
const FOR_MS_MIN = 500;
/** With more faults than this, a plan is tried under other draws. */
const FAULTS_FEW = 2;
/** Other draws that are tried. */
const DRAWS = 6;

/** Shrinks a plan that fails with `outcome`. */
export async function shrinkPlan(
  plan: RunPlan,
  outcome: RunFailure,
  options: SearchOptions,
): Promise<Shrunk> {
  const search = new SmallerPlans(plan, outcome, options);
  await shorten(search);
  await dropFaults(search);
  await shorten(search);
  await redraw(search);
  await minimize(search.plan.clients, (clients) => search.tries({ clients }));
  await simplifyKnobs(search);
  await shortenFaults(search);
  // With fewer clients and plainer knobs, faults may have become needless.
  if (search.plan.faults.length > 1) await dropFaults(search);
  return { plan: search.plan, outcome: search.outcome, runs: search.runs };
}

/**
 * Ends the run at its failure. A failure that shows at the end of a run, after healing, does not
 * say when its cause was: then the first half of the run is tried, and of that the first half.
 */
async function shorten(search: SmallerPlans): Promise<void> {
  const { plan: { forMs }, outcome: { atMs } } = search;
  if (atMs < forMs) {
    const failedMs = Math.ceil(atMs) + 1;
    if (failedMs < forMs) await search.tries(endingAt(search.plan, failedMs));
    return;
  }
  for (let halfMs = Math.ceil(forMs / 2); halfMs >= FOR_MS_MIN; halfMs = Math.ceil(halfMs / 2)) {
    if (await search.tries(endingAt(search.plan, halfMs)) !== true) return;
  }
}

function endingAt({ faults }: RunPlan, forMs: number): Partial<RunPlan> {
  return { forMs, faults: faults.filter(({ atMs }) => atMs < forMs) };
}

/** Leaves faults out: all but the newest ones first, because few failures need an old one. */
async function dropFaults(search: SmallerPlans): Promise<void> {
  const { faults } = search.plan;
  for (let count = 1; count * 2 < faults.length; count *= 2) {
    if (await search.tries({ faults: faults.slice(-count) })) break;
  }
  await minimize(search.plan.faults, (fewer) => search.tries({ faults: fewer }));
}

/**
 * Leaves faults out under other seeds. A seed draws the latencies, the visitors' acts and the
 * writes that a power failure loses; a plan that needs many faults for one draw may need fewer for
 * another.
 */
async function redraw(search: SmallerPlans): Promise<void> {
  const { seed: first } = search.plan;
  for (let draw = 1; draw <= DRAWS && search.plan.faults.length > FAULTS_FEW; draw++) {
    const seed = (first + draw) % SEED_END;
    await minimize(search.plan.faults, (faults) => search.tries({ faults, seed }));
  }
}

/**
 * Leaves the order of turns to the threads, ids to production's time, clocks to the true time and
 * values to the scenario.
 */
async function simplifyKnobs(search: SmallerPlans): Promise<void> {
  const { priorityChanges: _changes, ...inOrder } = search.plan;
  await search.triesWhole(inOrder);
  const { idsRetainedMs: _ids, ...withAllIds } = search.plan;
  await search.triesWhole(withAllIds);
  const { clocks, ...inTime } = search.plan;
  if (clocks !== undefined && await search.triesWhole(inTime) !== true) {
    await minimize(
      Object.entries(clocks),
      (entries) => search.tries({ clocks: Object.fromEntries(entries) }),
    );
  }
  await search.tries({ linkMs: 0, syncMs: 0.1, turnMessagesMax: 1024, segmentBytesMax: 2 ** 20 });
  await minimize(
    Object.entries(search.plan.values),
    (entries) => search.tries({ values: Object.fromEntries(entries) }),
  );
}

/** Makes each fault shorter. */
async function shortenFaults(search: SmallerPlans): Promise<void> {
  for (let index = 0; index < search.plan.faults.length; index++) {
    for (const shorter of shorterThan(search.plan.faults[index])) {
      if (await search.tries({ faults: search.plan.faults.with(index, shorter) })) break;
    }
  }
}

/** The fault with a shorter length, shortest first. */
function shorterThan(fault: Fault): Fault[] {
  if ("forMs" in fault) {
    return [10, 100, 1_000]
      .filter((forMs) => forMs < fault.forMs)
      .map((forMs) => ({ ...fault, forMs }));
  }
  if ("downMs" in fault && fault.downMs > 1) return [{ ...fault, downMs: 1 }];
  return [];
}
