/**
 * A campaign's result is that of its seeds in their order, however many run at a time.
 */
import assert from "node:assert/strict";
import { CampaignEndedError, SeedWorkers } from "../../cli/simulate/seed_workers.ts";
import { runCampaign } from "../../simulation/campaign.ts";
import { meshScenarios } from "../../simulation/scenarios/mesh_scenarios.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";
import type { SeedResult, SeedTask } from "../../simulation/seed_run.ts";

const [scenario] = shippedScenarios;
const limits = {
  scenario: { ...scenario, forMs: 2_000 },
  doubleEvery: 3,
  shrinkRunsMax: 0,
  shrinkMsMax: 0,
  nowMs: () => 0,
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

Deno.test("a path that only meshes take is missed by campaigns of a mesh alone", async () => {
  const missed = [];
  for (const each of [scenario, ...meshScenarios.slice(0, 1)]) {
    const runSeed = ({ seed }: SeedTask) => Promise.resolve(resultOf(seed, false));
    const result = await runCampaign({ ...limits, scenario: each, seeds: [1], runSeed });
    missed.push(result.probesMissed.includes("an action came to the joiner before its ranking"));
    assert.ok(result.probesMissed.includes("an example was made"));
  }
  assert.deepEqual(missed, [false, true]);
});
