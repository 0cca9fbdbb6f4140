import assert from "node:assert/strict";
import fc from "fast-check";
import { DataClock } from "../../../actors/joiner/data_clock.ts";

const times = fc.record({ atMs: fc.integer({ max: 10_000 }), acceptedAtMs: fc.nat(5_000) });

Deno.test("the data clock never goes back and never passes an acceptance by more than the skew", () => {
  fc.assert(fc.property(fc.array(times), fc.nat(100), fc.nat(5_000), (records, skewMsMax, at) => {
    const clock = new DataClock(skewMsMax, { clockMs: at, wallMs: Infinity, endOffset: 0 });
    let acceptedMs = at - skewMsMax;
    for (const [offset, record] of records.entries()) {
      const beforeMs = clock.nowMs;
      clock.observe(record, offset);
      acceptedMs = Math.max(acceptedMs, record.acceptedAtMs);
      assert.ok(clock.nowMs >= beforeMs && clock.nowMs <= acceptedMs + skewMsMax);
      if (!clock.isAhead(record, offset)) assert.ok(clock.nowMs >= record.atMs);
    }
  }));
});

Deno.test("records from before the start cannot pass the wall time of the start", () => {
  const clock = new DataClock(100, { clockMs: 9_000, wallMs: 1_000, endOffset: 2 });
  assert.equal(clock.nowMs, 1_100);
  clock.observe({ atMs: 9_000, acceptedAtMs: 9_000 }, 1);
  assert.equal(clock.nowMs, 1_100);
  clock.observe({ atMs: 1_500, acceptedAtMs: 9_000 }, 2);
  assert.equal(clock.nowMs, 1_500, "later records are limited by their acceptance");
});
