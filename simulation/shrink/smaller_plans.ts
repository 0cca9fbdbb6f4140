/**
 * The search for a smaller plan that fails as a given one does: runs candidates, keeps the newest
 * one that failed, and counts the spent runs.
 */
import { ConfigurationError } from "../../configuration/problems.ts";
import type { RunPlan } from "../plan/run_plan.ts";
import type { RunOutcome } from "../run_world.ts";

/** Bounds of a search, and the way to run a candidate. */
export interface SearchOptions {
  /** Runs at most. */
  readonly runsMax: number;
  /** Real time at most, ms. */
  readonly msMax: number;
  readonly nowMs: () => number;
  /** Ends the search before the next run. Default: nothing does. */
  readonly isEnded?: () => boolean;
  readonly run: (plan: RunPlan) => Promise<RunOutcome>;
}

/** The parts of an outcome that tell one failure from another. */
export type RunFailure = Pick<RunOutcome, "kind" | "checker" | "message" | "atMs">;

export class SmallerPlans {
  readonly #first: RunFailure;
  readonly #options: SearchOptions;
  readonly #endsMs: number;
  /** Candidates that did not fail, as text: different passes propose the same ones. */
  readonly #passed = new Set<string>();
  #plan: RunPlan;
  #outcome: RunFailure;
  #runs = 0;

  /** @param outcome The outcome of `plan`. Candidates must fail by the same checker. */
  constructor(plan: RunPlan, outcome: RunFailure, options: SearchOptions) {
    this.#plan = plan;
    this.#outcome = this.#first = outcome;
    this.#options = options;
    this.#endsMs = options.nowMs() + options.msMax;
  }

  /** The smallest plan that has failed so far. */
  get plan(): RunPlan {
    return this.#plan;
  }

  /** The outcome of {@link plan}. */
  get outcome(): RunFailure {
    return this.#outcome;
  }

  get runs(): number {
    return this.#runs;
  }

  /**
   * Runs the plan with a change, and keeps it if it fails in the same way.
   *
   * @returns Whether it failed; undefined when no more runs are allowed.
   */
  async tries(change: Partial<RunPlan>): Promise<boolean | undefined> {
    return await this.triesWhole({ ...this.#plan, ...change });
  }

  /** As {@link tries}, of a whole plan. */
  async triesWhole(candidate: RunPlan): Promise<boolean | undefined> {
    const key = JSON.stringify(candidate);
    if (this.#passed.has(key)) return false;
    const { runsMax, nowMs, isEnded = () => false } = this.#options;
    if (this.#runs >= runsMax || nowMs() >= this.#endsMs || isEnded()) return undefined;
    this.#runs++;
    const outcome = await this.#outcomeOf(candidate);
    if (outcome?.kind !== this.#first.kind || outcome.checker !== this.#first.checker) {
      this.#passed.add(key);
      return false;
    }
    this.#plan = candidate;
    this.#outcome = outcome;
    return true;
  }

  /** Undefined where the plan cannot be run. */
  async #outcomeOf(candidate: RunPlan): Promise<RunOutcome | undefined> {
    try {
      return await this.#options.run(candidate);
    } catch (error) {
      // Without one value, another that needs it cannot be used.
      if (error instanceof ConfigurationError) return undefined;
      throw error;
    }
  }
}
