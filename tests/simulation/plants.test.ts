import assert from "node:assert/strict";
import { plants } from "../../simulation/plants/plants.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";

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
