/**
 * Seeds of meshes that have failed, with the faults that were left after shrinking: each run must
 * pass.
 */
import assert from "node:assert/strict";
import { drawRunPlan, type RunPlan } from "../../../simulation/plan/run_plan.ts";
import { run } from "../../../simulation/run.ts";
import { shippedScenarios } from "../../../simulation/scenarios/shipped.ts";
import { present } from "../../../structures/invariant.ts";

interface Found {
  readonly name: string;
  readonly scenario: string;
  readonly seed: number;
  /** Parts of the shrunk plan that differ from the drawn one. */
  readonly shrunk: Partial<RunPlan>;
}

const found: readonly Found[] = [{
  name: "a paused host applies rows that a fail-over of Redis has lost",
  scenario: "mesh-swarm",
  seed: 0x7b4188ae7d39,
  shrunk: {
    faults: [
      { kind: "pauseHost", atMs: 603, host: "table-1", forMs: 447 },
      { kind: "failOverRedis", atMs: 847, lostMs: 61, downMs: 1 },
    ],
    clients: ["visitor-1"],
    values: {},
    forMs: 4_000,
  },
}];

for (const { name, scenario: wanted, seed, shrunk } of found) {
  Deno.test(name, async () => {
    const scenario = present(shippedScenarios.find((each) => each.name === wanted), "it ships");
    const plan = { ...drawRunPlan({ seed, scenario }), ...shrunk };
    const { kind, message } = await run(plan, scenario);
    assert.deepEqual([kind, message], ["passed", undefined]);
  });
}
