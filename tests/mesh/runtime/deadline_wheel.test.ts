import assert from "node:assert/strict";
import fc from "fast-check";
import type { Ask } from "../../../mesh/runtime/ask.ts";
import { DeadlineWheel } from "../../../mesh/runtime/deadline_wheel.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { createAsk } from "./asks.ts";

const tickMs = 4;

function askAt(clock: VirtualClock, budgetMs: number): Ask {
  return createAsk({ sentAtMs: clock.monotonicMs(), budgetMs });
}

Deno.test("every deadline is noticed once, never early, and at most a tick late", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          pauseMs: fc.double({ min: 0, max: 700, noNaN: true }),
          budgetMs: fc.oneof(
            fc.double({ min: 0, max: 50, noNaN: true }),
            fc.double({ min: 0, max: 20_000, noNaN: true }), // longer than one turn of the wheel
          ),
          removed: fc.boolean(),
        }),
        { maxLength: 40 },
      ),
      async (steps) => {
        const clock = new VirtualClock();
        const noticed = new Map<Ask, number>();
        const wheel = new DeadlineWheel(clock, (ask) => {
          assert.ok(!noticed.has(ask));
          noticed.set(ask, clock.monotonicMs());
        }, tickMs);
        const kept: Ask[] = [];
        for (const { pauseMs, budgetMs, removed } of steps) {
          await clock.advance(pauseMs);
          const ask = askAt(clock, budgetMs);
          wheel.add(ask);
          if (removed) wheel.remove(ask);
          else kept.push(ask);
        }
        await clock.advance(30_000);
        assert.equal(noticed.size, kept.length);
        for (const ask of kept) {
          const lateMs = noticed.get(ask)! - ask.deadlineMs;
          assert.ok(lateMs >= 0 && lateMs <= 2 * tickMs, `noticed ${lateMs} ms after the deadline`);
        }
        assert.equal(wheel.length, 0);
        assert.equal(clock.pending, 0, "an empty wheel keeps no timer");
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("asks that are answered in time share one timer", async () => {
  const clock = new VirtualClock();
  const wheel = new DeadlineWheel(clock, () => assert.fail("a deadline passed"), tickMs);
  for (let i = 0; i < 10_000; i++) {
    const ask = askAt(clock, 1_000 + i % 7);
    wheel.add(ask);
    assert.ok(clock.pending <= 1);
    wheel.remove(ask);
  }
  await clock.advance(5_000);
  assert.equal(clock.pending, 0);
});

Deno.test("a thread that slept past many deadlines notices them in their order", async () => {
  const clock = new VirtualClock();
  const order: number[] = [];
  const wheel = new DeadlineWheel(clock, (ask) => order.push(ask.budgetMs), tickMs);
  for (const budgetMs of [900, 20, 300, 7_000, 21]) wheel.add(askAt(clock, budgetMs));
  await clock.advance(10_000);
  assert.deepEqual(order, [20, 21, 300, 900, 7_000]);
});
