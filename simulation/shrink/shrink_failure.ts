/**
 * Shrinks the failure of a campaign, as far as bounds and an end from outside allow: the smallest
 * plan that has failed so far is never lost.
 */
import type { Failure } from "../campaign.ts";
import { run } from "../run.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import { shrinkPlan } from "./shrink_plan.ts";
import type { SearchOptions } from "./smaller_plans.ts";

/**
 * The failure with the smallest plan that was found. Two runs that differ are not shrunk.
 *
 * @param failure As the campaign found it.
 */
export async function shrinkFailure(
  failure: Failure,
  scenario: Scenario,
  bounds: Omit<SearchOptions, "run">,
): Promise<Failure> {
  if (failure.kind === "nondeterminism") return failure;
  const { plan, outcome, runs } = await shrinkPlan(failure.plan, failure, {
    ...bounds,
    run: (candidate) => run(candidate, scenario),
  });
  const { message = "", atMs } = outcome;
  return { ...failure, message, atMs, shrunk: plan, shrinkRuns: runs };
}
