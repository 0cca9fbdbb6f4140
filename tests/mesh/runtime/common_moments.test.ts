import assert from "node:assert/strict";
import fc from "fast-check";
import type { Clock } from "../../../mesh/ports/clock.ts";
import { untilNextMoment } from "../../../mesh/runtime/common_moments.ts";

function clockAt(nowMs: number): Clock {
  return { nowMs: () => nowMs } as Clock;
}

Deno.test("periodic work of clocks that agree comes at the same moments", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 2 ** 31 }),
    fc.constantFrom(100, 800, 1_000),
    fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    (periods, periodMs, share) => {
      const momentMs = periods * periodMs;
      const nowMs = momentMs - 1.01 - share * (periodMs - 1.01);
      const delayMs = untilNextMoment(clockAt(nowMs), periodMs);
      assert.ok(Math.abs(nowMs + delayMs - momentMs) < 0.01, `${nowMs} + ${delayMs}`);
    },
  ));
});

Deno.test("a timer that fires early does not repeat its moment, and none waits longer than a period", () => {
  assert.equal(untilNextMoment(clockAt(7_999.5), 800), 800.5);
  assert.equal(untilNextMoment(clockAt(8_000), 800), 800);
  assert.equal(untilNextMoment(clockAt(8_000.25), 800), 799.75);
  assert.equal(untilNextMoment(clockAt(7_998.5), 800), 1.5);
});
