/**
 * Makes a failing run small: fewer faults, fewer clients, a shorter run, plainer knobs. A smaller
 * run counts only if the same checker fails.
 */
import { ConfigurationError } from "../../configuration/problems.ts";
import type { Fault } from "../plan/fault.ts";
import type { RunPlan } from "../plan/run_plan.ts";
import type { RunOutcome } from "../run_world.ts";
import { minimize } from "./minimize.ts";

/** Bounds of a shrink. */
export interface ShrinkOptions {
  /** Runs at most. */
  readonly runsMax: number;
  /** Real time at most, ms. */
  readonly msMax: number;
  readonly nowMs: () => number;
  readonly run: (plan: RunPlan) => Promise<RunOutcome>;
}

/** The parts of an outcome that tell one failure from another. */
export type RunFailure = Pick<RunOutcome, "kind" | "checker" | "message" | "atMs">;

/** A smaller plan that fails in the same way. */
export interface Shrunk {
  readonly plan: RunPlan;
  readonly outcome: RunFailure;
  readonly runs: number;
}

/** Shrinks a plan that fails with `outcome`. */
export async function shrinkPlan(
  plan: RunPlan,
  outcome: RunFailure,
  options: ShrinkOptions,
): Promise<Shrunk> {
  const endsMs = options.nowMs() + options.msMax;
  let best: { plan: RunPlan; outcome: RunFailure } = { plan, outcome };
  let runs = 0;
  const fails = async (candidate: RunPlan): Promise<boolean | undefined> => {
    if (runs >= options.runsMax || options.nowMs() >= endsMs) return undefined;
    runs++;
    const found = await outcomeOf(candidate);
    if (found?.kind !== outcome.kind || found.checker !== outcome.checker) return false;
    best = { plan: candidate, outcome: found };
    return true;
  };
  const outcomeOf = (candidate: RunPlan) =>
    options.run(candidate).catch((error) => {
      // Without one value, another that needs it cannot be used.
      if (error instanceof ConfigurationError) return undefined;
      throw error;
    });
  const tryPlan = async (change: Partial<RunPlan>) => await fails({ ...best.plan, ...change });

  if (outcome.kind === "correctness") {
    const forMs = Math.ceil(outcome.atMs) + 1;
    if (forMs < plan.forMs) {
      await tryPlan({ forMs, faults: plan.faults.filter(({ atMs }) => atMs <= outcome.atMs) });
    }
  }
  await minimize(best.plan.faults, (faults) => tryPlan({ faults }));
  await minimize(best.plan.clients, (clients) => tryPlan({ clients }));
  await simplifyKnobs(() => best.plan, fails, tryPlan);
  for (let index = 0; index < best.plan.faults.length; index++) {
    for (const gentler of gentlerThan(best.plan.faults[index])) {
      const faults = best.plan.faults.with(index, gentler);
      if (await tryPlan({ faults })) break;
    }
  }
  // With fewer clients and plainer knobs, faults may have become needless.
  if (best.plan.faults.length > 1) {
    await minimize(best.plan.faults, (faults) => tryPlan({ faults }));
  }
  return { ...best, runs };
}

/** Leaves the order of turns to the threads, and values to the scenario. */
async function simplifyKnobs(
  plan: () => RunPlan,
  tryWhole: (plan: RunPlan) => Promise<boolean | undefined>,
  tryPlan: (change: Partial<RunPlan>) => Promise<boolean | undefined>,
): Promise<void> {
  const { priorityChanges: _changes, ...inOrder } = plan();
  await tryWhole(inOrder);
  await tryPlan({ linkMs: 0, syncMs: 0.1, turnMessagesMax: 1024, segmentBytesMax: 2 ** 20 });
  await minimize(
    Object.entries(plan().values),
    (entries) => tryPlan({ values: Object.fromEntries(entries) }),
  );
}

/** The fault with a shorter length, shortest first. */
function gentlerThan(fault: Fault): Fault[] {
  if ("forMs" in fault) {
    return [10, 100, 1_000]
      .filter((forMs) => forMs < fault.forMs)
      .map((forMs) => ({ ...fault, forMs }));
  }
  if ("downMs" in fault && fault.downMs > 1) return [{ ...fault, downMs: 1 }];
  return [];
}
