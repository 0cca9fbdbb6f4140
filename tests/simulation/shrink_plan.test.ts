import assert from "node:assert/strict";
import { drawRunPlan } from "../../simulation/plan/run_plan.ts";
import { configurationOf, type RunPlan } from "../../simulation/plan/run_plan.ts";
import { recommending } from "../../simulation/plan/knobs.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";
import { type RunFailure, shrinkPlan } from "../../simulation/shrink/shrink_plan.ts";

Deno.test("a plan is shrunk although one of its values cannot be left out without another", async () => {
  const [scenario] = shippedScenarios;
  const drawn = drawRunPlan({ seed: 3, scenario, families: [], forMs: 1_000 });
  const values = { "shards.count": 3, ...recommending };
  const failure = { kind: "correctness", checker: "planned", message: "", atMs: 500 } as const;
  const tried: string[] = [];
  const run = (plan: RunPlan): Promise<RunFailure> => {
    tried.push(Object.keys(plan.values).join());
    const { retriever } = configurationOf(plan.configuration, plan.values);
    return Promise.resolve(retriever === undefined ? { ...failure, checker: "none" } : failure);
  };
  const { plan } = await shrinkPlan({ ...drawn, values }, failure, {
    runsMax: 100,
    msMax: Infinity,
    nowMs: () => 0,
    run: async (candidate) => await run(candidate) as never,
  });
  assert.ok(tried.includes("recommend"), "a file without the model is refused");
  assert.deepEqual(Object.keys(plan.values), ["recommend", "model"]);
});
