import assert from "node:assert/strict";
import fc from "fast-check";
import { type LateWait, LateWaits } from "../../../../mesh/adapters/redis/late_waits.ts";
import { VirtualClock } from "../../../../mesh/simulation/virtual_clock.ts";

Deno.test("each wait is called late at its own time, unless it has ended before", async () => {
  const step = fc.record({ afterMs: fc.nat(60), ends: fc.nat(40) });
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
    const clock = new VirtualClock();
    const waits = new LateWaits(100, clock);
    const begun: { readonly wait: LateWait; readonly atMs: number; isEnded: boolean }[] = [];
    const late = new Map<number, number>();
    for (const { afterMs, ends } of steps) {
      await clock.advance(afterMs);
      const index = begun.length;
      const wait = waits.begin(() => late.set(index, clock.monotonicMs()));
      begun.push({ wait, atMs: clock.monotonicMs(), isEnded: false });
      const ended = begun[ends];
      if (ended !== undefined && !late.has(ends)) {
        ended.isEnded = true;
        waits.end(ended.wait);
        waits.end(ended.wait);
      }
    }
    await clock.advance(200);
    begun.forEach(({ atMs, isEnded }, i) => {
      assert.equal(late.get(i), isEnded ? undefined : atMs + 100, `wait ${i}`);
    });
    waits.close();
  }));
});

Deno.test("thousands of ended waits are forgotten while the first one is late", async () => {
  const clock = new VirtualClock();
  const waits = new LateWaits(100, clock);
  let late = 0;
  for (let i = 0; i < 5_000; i++) {
    const wait = waits.begin(() => late++);
    if (i % 1_000 !== 0) waits.end(wait);
  }
  await clock.advance(100);
  assert.equal(late, 5);
});

Deno.test("a closed list calls no wait late", async () => {
  const clock = new VirtualClock();
  const waits = new LateWaits(100, clock);
  waits.begin(() => assert.fail("it was closed"));
  waits.close();
  await clock.advance(1_000);
});
