/**
 * Whole simulated worlds. `deno task simulate` runs many more of them.
 */
import assert from "node:assert/strict";
import { runCampaign } from "../../simulation/campaign.ts";
import { drawRunPlan } from "../../simulation/plan/run_plan.ts";
import { run } from "../../simulation/run.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";
import { present } from "../../structures/invariant.ts";

for (const scenario of shippedScenarios) {
  Deno.test(`no promise is broken in the scenario ${scenario.name}: ${scenario.description}`, async () => {
    const { failure, seedsTried } = await runCampaign({
      doubleEvery: 0,
      scenario: { ...scenario, forMs: Math.min(scenario.forMs, 5_000) },
      seeds: [1],
    });
    assert.equal(failure, undefined);
    assert.equal(seedsTried, 1);
  });
}

Deno.test("two runs of one plan take the same course", async () => {
  const [scenario] = shippedScenarios;
  for (const seed of [5, 11]) {
    const plan = drawRunPlan({ seed, scenario, forMs: 6_000 });
    const first = await run(plan, scenario);
    const second = await run(structuredClone(plan), scenario);
    assert.equal(second.traceHash, first.traceHash);
    assert.equal(second.events, first.events);
  }
});

for (const precision of ["fp16", "int8"]) {
  Deno.test(`no promise is broken where rows are served as ${precision}`, async () => {
    const [scenario] = shippedScenarios;
    const drawn = drawRunPlan({ seed: 1, scenario, families: [], forMs: 5_000 });
    const plan = { ...drawn, values: { "embeddings.serving.precision": precision } };
    const outcome = await run(plan, scenario);
    assert.deepEqual([outcome.kind, outcome.message], ["passed", undefined]);
  });
}

Deno.test("a process that restarts while messages to a trainer are slow starts all the same", async () => {
  const [scenario] = shippedScenarios;
  const drawn = drawRunPlan({ seed: 1, scenario, families: [], forMs: 8_000 });
  const outcome = await run({
    ...drawn,
    clients: drawn.clients.slice(0, 1),
    values: {
      "trainer.shardBudget": "50ms",
      placement: { kind: "workers", shardThreads: 1 },
    },
    faults: [
      { kind: "slowLinks", atMs: 2_000, node: "trainer-0", latencyMs: 472, forMs: 4_000 },
      { kind: "killProcess", atMs: 3_000, power: false, downMs: 1 },
    ],
  }, scenario);
  assert.deepEqual([outcome.kind, outcome.message], ["passed", undefined]);
});

Deno.test("a process that starts while the disk is full waits for space, and starts then", async () => {
  const scenario = present(shippedScenarios.find(({ name }) => name === "swarm"), "it is shipped");
  const drawn = drawRunPlan({ seed: 1, scenario, families: [], forMs: 4_000 });
  for (const atMs of [0, 10, 1_000]) {
    const full = { atMs, forMs: 2_500 };
    const outcome = await run({
      ...drawn,
      faults: [
        { kind: "refuseAppends", ...full, log: "events" },
        { kind: "refuseAppends", ...full, log: "examples" },
        { kind: "refuseBlobs", ...full },
        { kind: "killProcess", atMs: atMs + 1, power: true, downMs: 10 },
      ],
    }, scenario);
    assert.deepEqual([outcome.kind, outcome.message], ["passed", undefined], `full at ${atMs} ms`);
  }
});

Deno.test("visitors are erased while the blob store refuses for longer than a trainer's restarts take", async () => {
  const scenario = present(
    shippedScenarios.find(({ name }) => name === "erasures"),
    "it is shipped",
  );
  for (const seed of [4, 5]) {
    const drawn = drawRunPlan({ seed, scenario, families: [], forMs: 18_000 });
    const refused = { kind: "refuseBlobs", atMs: 300, forMs: 16_000 } as const;
    const outcome = await run({ ...drawn, faults: [refused] }, scenario);
    assert.deepEqual([outcome.kind, outcome.message], ["passed", undefined], `seed ${seed}`);
  }
});
