import assert from "node:assert/strict";
import { allCheckers } from "../../simulation/checkers/all.ts";
import type { CheckerFactory } from "../../simulation/checkers/checker.ts";
import { meshCheckers } from "../../simulation/mesh/mesh_checkers.ts";
import { MeshWorld } from "../../simulation/mesh/mesh_world.ts";
import { configurationOf, drawRunPlan } from "../../simulation/plan/run_plan.ts";
import { plants } from "../../simulation/plants/plants.ts";
import type { Scenario } from "../../simulation/scenarios/scenario.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";
import { ProcessWorld } from "../../simulation/world/process_world.ts";
import { cairnProgram } from "../../simulation/world/program.ts";
import { present } from "../../structures/invariant.ts";

const root = new URL("../../", import.meta.url);

Deno.test("each text that a plant edits stands once in its production file, in a scenario that ships", async () => {
  for (const { name, edits, scenario } of plants) {
    for (const { file, find, replace } of edits) {
      const text = await Deno.readTextFile(new URL(file, root));
      assert.equal(text.split(find).length - 1, 1, `${name} in ${file}`);
      assert.notEqual(find, replace);
    }
    assert.ok(shippedScenarios.some((each) => each.name === scenario), scenario);
  }
  assert.equal(new Set(plants.map(({ name }) => name)).size, plants.length);
});

/** Names that a run itself gives to its failures, besides those of the checkers. */
const REPORTED_BY_RUNS = ["liveness", "crash", "determinism", "handled-errors"];

/** Names of the checkers that watch a run of the scenario. */
function checkersOf(scenario: Scenario): Set<string> {
  const plan = drawRunPlan({ seed: 1, scenario });
  const configuration = configurationOf(plan.configuration, plan.values);
  const options = { ...plan, configuration, traceEventsMax: 0, reconfigure: () => configuration };
  const names = new Set(REPORTED_BY_RUNS);
  const named = (factories: readonly CheckerFactory[]) =>
    [...factories, ...scenario.checkers ?? []].map((create): CheckerFactory => (context) => {
      const checker = create(context);
      names.add(checker.name);
      return checker;
    });
  if (configuration.mesh === undefined) {
    const checkers = (world: ProcessWorld) => named(allCheckers(world));
    new ProcessWorld({ ...options, program: cairnProgram, checkers });
  } else {
    new MeshWorld({ ...options, checkers: (world) => named(meshCheckers(world)) });
  }
  return names;
}

Deno.test("each checker that is expected to see a plant watches the plant's scenario", () => {
  const watching = new Map(shippedScenarios.map((each) => [each.name, checkersOf(each)]));
  for (const { name, seenBy, scenario } of plants) {
    const checkers = present(watching.get(scenario), scenario);
    assert.ok(seenBy.length > 0, name);
    for (const checker of seenBy) assert.ok(checkers.has(checker), `${name} names ${checker}`);
  }
});
