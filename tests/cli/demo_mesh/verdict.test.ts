import assert from "node:assert/strict";
import { brokenPromises, type Outcome } from "../../../cli/demo_mesh/verdict.ts";

const sound: Outcome = {
  accepted: 900,
  lost: 0,
  twice: 0,
  refused: 0,
  rankErrors: 0,
  movesOf: { "tables-3 joins": 3, "drain tables-1": 3 },
  away: [],
};

Deno.test("a run that has kept every promise breaks none", () => {
  assert.deepEqual(brokenPromises(sound), []);
});

const defects: readonly (readonly [Partial<Outcome>, RegExp])[] = [
  [{ accepted: 0 }, /^no click was accepted$/],
  [{ lost: 2 }, /^2 accepted clicks never became an example$/],
  [{ twice: 1 }, /^1 click became a second example$/],
  [{ refused: 1 }, /^1 click found no gateway that knew the ranking$/],
  [{ rankErrors: 3 }, /^3 attempts at a ranking failed, outside of the second after a kill/],
  [{ movesOf: { "drain tables-1": 0 } }, /^no shard moved live at the step "drain tables-1"$/],
  [{ away: ["edge-1"] }, /^host edge-1 did not come back$/],
];

for (const [defect, says] of defects) {
  Deno.test(`a run breaks a promise by ${JSON.stringify(defect)}`, () => {
    const broken = brokenPromises({ ...sound, ...defect });
    assert.equal(broken.length, 1);
    assert.match(broken[0], says);
  });
}

Deno.test("each broken promise is named", () => {
  assert.equal(brokenPromises({ ...sound, lost: 1, twice: 1, away: ["a", "b"] }).length, 4);
});
