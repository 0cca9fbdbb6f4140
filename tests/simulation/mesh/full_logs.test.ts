/**
 * A mesh whose Redis server has no memory for records for some time: joiners wait, and go on.
 */
import assert from "node:assert/strict";
import { drawRunPlan } from "../../../simulation/plan/run_plan.ts";
import { probes } from "../../../simulation/probes.ts";
import { run } from "../../../simulation/run.ts";
import { meshScenarios } from "../../../simulation/scenarios/mesh_scenarios.ts";
import { present } from "../../../structures/invariant.ts";

Deno.test("joiners of a mesh wait while the example log is full, and every example is learned", async () => {
  const scenario = present(meshScenarios.find(({ name }) => name === "mesh-quiet"), "it ships");
  const full = { kind: "refuseAppends", atMs: 5_000, forMs: 5_000 } as const;
  // Events go on for a while, and so do the examples that find their log full.
  const later = { ...full, atMs: 6_500, forMs: 3_500 };
  // Where clocks agree, windows end while the log is full.
  const { clocks: _, ...plan } = drawRunPlan({ seed: 2, scenario });
  const { kind, message, world } = await run({
    ...plan,
    faults: [{ ...full, log: "examples" }, { ...later, log: "events" }],
  }, scenario);
  assert.deepEqual([kind, message], ["passed", undefined]);
  for (const name of ["the joiner waited for the example log", "the joiner went on"]) {
    const probe = present(probes.find((each) => each.name === name), "there is such a probe");
    assert.ok(probe.seen(world), name);
  }
});
