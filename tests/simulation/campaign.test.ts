/**
 * A campaign's result is that of its seeds in their order, however many run at a time.
 */
import assert from "node:assert/strict";
import { CampaignEndedError, SeedWorkers } from "../../cli/simulate/seed_workers.ts";
import { runCampaign } from "../../simulation/campaign.ts";
import { paying, type Values } from "../../simulation/plan/knobs.ts";
import { missedProbes } from "../../simulation/probes.ts";
import { meshScenarios } from "../../simulation/scenarios/mesh_scenarios.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";
import type { SeedResult, SeedTask } from "../../simulation/seed_run.ts";

const [scenario] = shippedScenarios;
const limits = {
  scenario: { ...scenario, forMs: 2_000 },
  doubleEvery: 3,
};

/** A result that depends on the seed alone. */
function resultOf(seed: number, fails: boolean): SeedResult {
  return {
    seed,
    kind: fails ? "correctness" : "passed",
    checker: fails ? "planned" : "",
    message: fails ? `seed ${seed} fails` : "",
    atMs: 1,
    events: seed * 10,
    eventsRun: seed * 10,
    virtualMs: seed,
    faults: 1,
    traceHash: `hash ${seed}`,
    probesSeen: [],
  };
}

Deno.test("seeds that end in another order give the same result, up to the first that fails", async () => {
  const results = [];
  for (const atATime of [1, 2, 5, 9]) {
    const running: (() => void)[] = [];
    const tasks: SeedTask[] = [];
    const runSeed = async (task: SeedTask): Promise<SeedResult> => {
      tasks.push(task);
      await new Promise<void>((resolve) => running.push(resolve));
      return resultOf(task.seed, task.seed === 4 || task.seed === 6);
    };
    const pump = setInterval(() => running.pop()?.(), 0); // the newest first
    const result = await runCampaign({ ...limits, seeds: [1, 2, 3, 4, 5, 6, 7], runSeed, atATime });
    clearInterval(pump);
    for (const resolve of running) resolve();
    results.push(result);
    assert.deepEqual(tasks.slice(0, 4).map(({ twice }) => twice), [true, false, false, true]);
  }
  for (const result of results) {
    assert.equal(result.seedsTried, 4);
    assert.equal(result.events, 100);
    assert.equal(result.failure?.message, "seed 4 fails");
    assert.deepEqual(result, results[0]);
  }
});

Deno.test("threads run the same courses as this one", async () => {
  const workers = new SeedWorkers({ scenario: scenario.name, forMs: 2_000 }, 2);
  try {
    const seeds = [1, 2, 3];
    const here = await runCampaign({ ...limits, forMs: 2_000, seeds });
    const there = await runCampaign({
      ...limits,
      forMs: 2_000,
      seeds,
      runSeed: (task) => workers.run(task),
      atATime: 4,
    });
    assert.equal(here.failure, undefined);
    assert.deepEqual(there, here);
  } finally {
    workers.close();
  }
});

Deno.test("a campaign that cannot run says so", async () => {
  const workers = new SeedWorkers({ scenario: "none-such" }, 1);
  try {
    await assert.rejects(
      runCampaign({ ...limits, seeds: [1], runSeed: (task) => workers.run(task) }),
      /There is no scenario "none-such"/,
    );
  } finally {
    workers.close();
  }
});

Deno.test("the threads end with the campaign, also those with seeds under way", async () => {
  const workers = new SeedWorkers({ scenario: scenario.name, forMs: 600_000 }, 2);
  const running = [1, 2, 3, 4].map((seed) => workers.run({ seed, twice: false }));
  workers.close();
  for (const result of await Promise.allSettled(running)) {
    assert.ok(result.status === "rejected" && result.reason instanceof CampaignEndedError);
  }
});

Deno.test("a campaign misses a path only if a run of its scenario can take it", () => {
  const [meshSwarm, meshQuiet] = meshScenarios;
  const needs = {
    faults: "an actor crashed and was restarted",
    hosts: "an action came to the joiner before its ranking",
    values: "a row that no model can learn was put aside",
    history: "attention read the history of a user",
    whole: "rankings were scored by whole rows",
    shared: "a ranking was scored with its shared slots computed once",
    nothing: "an example was made",
  };
  const modelOf = (values: Values) => ({ ...scenario, knobs: [], values });
  const crossed = {
    model: { kind: "dcnV2", embeddingDim: 2, hidden: [3], crossLayers: 1, tasks: ["bought"] },
  };
  const expected = [
    [scenario, ["faults", "values", "history", "whole", "shared", "nothing"]],
    [{ ...scenario, families: [] }, ["values", "history", "whole", "shared", "nothing"]],
    [modelOf({}), ["faults", "shared", "nothing"]],
    [modelOf(crossed), ["faults", "whole", "nothing"]],
    [modelOf(paying), ["faults", "values", "shared", "nothing"]],
    [meshSwarm, ["faults", "hosts", "history", "whole", "shared", "nothing"]],
    [meshQuiet, ["history", "whole", "shared", "nothing"]],
  ] as const;
  for (const [each, names] of expected) {
    const missed = missedProbes(new Set(), { scenario: each });
    const found = Object.entries(needs).filter(([, probe]) => missed.includes(probe));
    assert.deepEqual(found.map(([name]) => name), names, JSON.stringify([each.name, each.values]));
  }
});
