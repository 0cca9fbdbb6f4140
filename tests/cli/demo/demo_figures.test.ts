import assert from "node:assert/strict";
import { Arm, clickThrough, standardErrorsAbove } from "../../../cli/demo/arm.ts";

Deno.test("an arm counts by second and sums over any interval", () => {
  const arm = new Arm();
  arm.record(0, 5, 1);
  arm.record(2, 5, 2);
  arm.record(2, 5, 0);
  assert.deepEqual(arm.between(0, Infinity), { shown: 15, clicks: 3 });
  assert.deepEqual(arm.between(1, 2), { shown: 0, clicks: 0 });
  assert.equal(clickThrough(arm.between(2, 3)), 0.2);
  assert.deepEqual(arm.curve(2), [[2, 0.2], [3, 0.2]]);
});

Deno.test("the difference of two shares is told in standard errors", () => {
  const many = { shown: 10_000, clicks: 2000 };
  const fewer = { shown: 10_000, clicks: 1000 };
  assert.ok(Math.abs(standardErrorsAbove(many, fewer) - 19.8) < 0.1);
  assert.ok(standardErrorsAbove(fewer, many) < 0);
  assert.equal(standardErrorsAbove(many, many), 0);
  assert.ok(Number.isNaN(standardErrorsAbove({ shown: 0, clicks: 0 }, many)));
});
