import assert from "node:assert/strict";
import fc from "fast-check";
import type { Fault } from "../../simulation/plan/fault.ts";
import { drawRunPlan } from "../../simulation/plan/run_plan.ts";
import { configurationOf, type RunPlan } from "../../simulation/plan/run_plan.ts";
import { recommending } from "../../simulation/plan/knobs.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";
import { shrinkPlan } from "../../simulation/shrink/shrink_plan.ts";
import type { RunFailure } from "../../simulation/shrink/smaller_plans.ts";

const [scenario] = shippedScenarios;
const drawn = drawRunPlan({ seed: 3, scenario, families: [], forMs: 8_000 });
const failure = { kind: "correctness", checker: "planned", message: "", atMs: 500 } as const;

/** Shrinks a plan whose runs fail where `outcomeOf` says so, and notes the plans of all runs. */
async function shrunk(
  plan: RunPlan,
  outcomeOf: (plan: RunPlan) => RunFailure | undefined,
  runsMax = 1_000,
) {
  const first = outcomeOf(plan);
  assert.ok(first);
  const tried: RunPlan[] = [];
  const result = await shrinkPlan(plan, first, {
    runsMax,
    msMax: Infinity,
    nowMs: () => 0,
    run: async (candidate) => {
      tried.push(candidate);
      return await Promise.resolve(outcomeOf(candidate) ?? { ...failure, kind: "passed" }) as never;
    },
  });
  return { ...result, tried };
}

/** A crash at each of these times, ms. */
function crashesAt(times: readonly number[]): Fault[] {
  return times.map((atMs) => ({ kind: "crashActor", atMs, actor: "joiner/0" }));
}

const timesOf = ({ faults }: RunPlan) => faults.map(({ atMs }) => atMs);

Deno.test("a plan is shrunk although one of its values cannot be left out without another", async () => {
  const values = { "shards.count": 3, ...recommending };
  const { plan, tried } = await shrunk({ ...drawn, values }, (candidate) => {
    const { retriever } = configurationOf(candidate.configuration, candidate.values);
    return retriever === undefined ? undefined : failure;
  });
  assert.ok(
    tried.some((each) => Object.keys(each.values).join() === "recommend"),
    "a file without the model is refused",
  );
  assert.deepEqual(Object.keys(plan.values), ["recommend", "model"]);
});

Deno.test("a run that fails on the way ends at its failure", async () => {
  const { plan } = await shrunk(
    { ...drawn, faults: crashesAt([100, 2_000, 5_000]) },
    ({ faults }) =>
      faults.some(({ atMs }) => atMs === 2_000) ? { ...failure, atMs: 2_345.6 } : undefined,
  );
  assert.deepEqual([plan.forMs, timesOf(plan)], [2_347, [2_000]]);
});

Deno.test("a run that fails after healing is halved while it still fails", async () => {
  const { plan } = await shrunk(
    { ...drawn, faults: crashesAt([100, 900, 3_000, 7_000]) },
    (plan) =>
      timesOf(plan).includes(900)
        ? { ...failure, kind: "liveness", atMs: plan.forMs + 60_000 }
        : undefined,
  );
  assert.deepEqual([plan.forMs, timesOf(plan)], [1_000, [900]]);
});

Deno.test("a plan that needs many faults is tried under other seeds", async () => {
  const times = [100, 200, 300, 400, 500];
  const { plan } = await shrunk(
    { ...drawn, faults: crashesAt(times) },
    (plan) => {
      const needed = plan.seed === drawn.seed + 2 ? [200] : times;
      return needed.every((atMs) => timesOf(plan).includes(atMs)) ? failure : undefined;
    },
  );
  assert.deepEqual([plan.seed, timesOf(plan)], [drawn.seed + 2, [200]]);
});

Deno.test("another checker's failure does not count", async () => {
  const { plan } = await shrunk(
    { ...drawn, faults: crashesAt([100, 200]) },
    ({ faults }) => faults.length === 2 ? failure : { ...failure, checker: "other" },
  );
  assert.equal(plan.faults.length, 2);
});

Deno.test("the shrunk plan fails by the faults that are needed, and no plan that passed runs twice", async () => {
  const aFault = fc.nat(20).map((step) => 100 + 50 * step);
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(aFault, { minLength: 1, maxLength: 12 }),
      fc.array(fc.nat(11), { maxLength: 3 }),
      fc.nat(60),
      async (times, chosen, runsMax) => {
        const sorted = times.toSorted((a, b) => a - b);
        const needed = chosen.filter((i) => i < sorted.length).map((i) => sorted[i]);
        const outcomeOf = (plan: RunPlan) =>
          needed.every((atMs) => timesOf(plan).includes(atMs))
            ? { ...failure, atMs: Math.max(0, ...needed) + 1 }
            : undefined;
        const { plan, outcome, runs, tried } = await shrunk(
          { ...drawn, faults: crashesAt(sorted) },
          outcomeOf,
          runsMax,
        );
        assert.deepEqual(outcomeOf(plan), outcome);
        assert.equal(runs, tried.length);
        assert.ok(runs <= runsMax);
        if (runs < runsMax) {
          assert.deepEqual(
            timesOf(plan),
            [...new Set(needed)].sort((a, b) => a - b),
          );
        }
        const passed = tried.filter((each) => outcomeOf(each) === undefined)
          .map((each) => JSON.stringify(each));
        assert.equal(new Set(passed).size, passed.length);
      },
    ),
  );
});
