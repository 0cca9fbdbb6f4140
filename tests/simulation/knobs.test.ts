import assert from "node:assert/strict";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import { drawKnobs, type Knob } from "../../simulation/plan/knobs.ts";
import { configurationOf, drawRunPlan } from "../../simulation/plan/run_plan.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";

const draws = (seed: number) => new SeededRandom(seed).stream("knobs");

Deno.test("a set with a key of the scenario or of an earlier draw is left out whole", () => {
  const knobs: Knob[] = [
    { path: "a", values: [1] },
    { sets: [{ a: 2, b: 2 }] },
    { sets: [{ c: 3, d: 3 }] },
    { sets: [{ e: 4, f: 4 }] },
  ];
  assert.deepEqual(drawKnobs(draws(1), knobs, { d: 0 }), { d: 0, a: 1, e: 4, f: 4 });
});

Deno.test("a knob that is left out changes no draw of a later one", () => {
  const later: Knob = { path: "z", values: Array.from({ length: 1_000 }, (_, i) => i) };
  const knobs: Knob[] = [{ sets: [{ a: 1 }, { a: 2 }] }, later];
  assert.equal(drawKnobs(draws(7), knobs).z, drawKnobs(draws(7), knobs, { a: 0 }).z);
});

Deno.test("a scenario with a model of its own draws nothing that another model needs", () => {
  const withModel = shippedScenarios.filter(({ values }) => values?.model !== undefined);
  assert.ok(withModel.length > 0);
  for (const scenario of withModel) {
    for (let seed = 0; seed < 30; seed++) {
      const { configuration, values } = drawRunPlan({ seed, scenario });
      configurationOf(configuration, values);
    }
  }
});
