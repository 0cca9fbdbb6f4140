import assert from "node:assert/strict";
import type { Failure } from "../../simulation/campaign.ts";
import { drawRunPlan } from "../../simulation/plan/run_plan.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";
import { shrinkFailure } from "../../simulation/shrink/shrink_failure.ts";
import { present } from "../../structures/invariant.ts";

const quiet = present(shippedScenarios.find(({ name }) => name === "quiet"), "it ships");
/** Every run of it breaks a promise at the first message. */
const scenario = {
  ...quiet,
  checkers: [({ fail }: { fail(message: string): void }) => ({
    name: "none",
    handles: () => fail("a message"),
  })],
};
const plan = drawRunPlan({ seed: 1, scenario, families: ["actors"], forMs: 60_000 });
const failure: Failure = {
  seed: 1,
  kind: "correctness",
  checker: "none",
  message: "a message",
  plan,
  shrunk: plan,
  atMs: 60_000,
  shrinkRuns: 0,
};
const bounds = { runsMax: 100, msMax: Infinity, nowMs: () => 0 };

Deno.test("a failure whose shrinking is ended at once stays as it was found", async () => {
  assert.ok(plan.faults.length > 1);
  for (
    const end of [{ isEnded: () => true }, { msMax: 0 }, { runsMax: 0 }]
  ) {
    assert.deepEqual(await shrinkFailure(failure, scenario, { ...bounds, ...end }), failure);
  }
});

Deno.test("a failure whose shrinking is ended on the way has the smallest plan until then", async () => {
  let looks = 0;
  const isEnded = () => looks++ >= 1;
  const { shrunk, shrinkRuns, checker } = await shrinkFailure(failure, scenario, {
    ...bounds,
    isEnded,
  });
  assert.deepEqual([shrinkRuns, checker], [1, "none"]);
  assert.equal(shrunk.forMs, 30_000);
});

Deno.test("two runs that differ are not shrunk", async () => {
  const differing: Failure = { ...failure, kind: "nondeterminism", checker: "determinism" };
  assert.deepEqual(await shrinkFailure(differing, scenario, bounds), differing);
});
