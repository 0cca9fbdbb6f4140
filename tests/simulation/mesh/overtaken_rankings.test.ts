/**
 * Actions that come to the log before their ranking, in a mesh whose hosts' clocks differ.
 */
import assert from "node:assert/strict";
import { drawRunPlan } from "../../../simulation/plan/run_plan.ts";
import { run } from "../../../simulation/run.ts";
import { meshScenarios } from "../../../simulation/scenarios/mesh_scenarios.ts";
import { present } from "../../../structures/invariant.ts";

Deno.test("actions overtake rankings of a host for which Redis is slow, and are learned", async () => {
  const scenario = present(
    meshScenarios.find(({ name }) => name === "overtaken-rankings"),
    "it ships",
  );
  const { kind, message, world } = await run(drawRunPlan({ seed: 1, scenario }), scenario);
  assert.deepEqual([kind, message], ["passed", undefined]);
  const early = world.telemetry.sum("cairn_joiner_outcomes_total", { outcome: "actionsEarly" });
  assert.ok(early > 0);
});
