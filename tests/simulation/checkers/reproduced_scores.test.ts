import assert from "node:assert/strict";
import { reproducedScores } from "../../../simulation/checkers/reproduced_scores.ts";

const SCORER = "scorer/edge";

/** A checker, and the promises that it has seen broken. */
function watch() {
  const failures: string[] = [];
  const create = reproducedScores(() => []);
  const checker = create({ nowMs: () => 0, fail: (message) => failures.push(message) });
  checker.began?.(SCORER, undefined as never);
  return {
    failures,
    loads: (version: number) =>
      checker.handles?.(
        SCORER,
        { kind: "loadDenseWeights", weights: { version } } as never,
        undefined as never,
      ),
    scoresBy: (modelVersion: number) =>
      checker.answers?.(SCORER, { kind: "score" } as never, { modelVersion }),
  };
}

Deno.test("versions may fall from a snapshot's to the first ones of parameter sync, and no further", () => {
  const { failures, loads, scoresBy } = watch();
  scoresBy(55);
  loads(54);
  scoresBy(55); // a pass that began before
  scoresBy(54);
  assert.deepEqual(failures, []);
  loads(56);
  scoresBy(56);
  scoresBy(55);
  assert.deepEqual(failures, ["scorer/edge scored by version 55 after version 56"]);
});

Deno.test("the weights of a snapshot alone do not fall", () => {
  const { failures, scoresBy } = watch();
  scoresBy(55);
  scoresBy(54);
  assert.equal(failures.length, 1);
});
