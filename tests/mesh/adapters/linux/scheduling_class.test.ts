/**
 * The choice between SCHED_IDLE and nice 10, from samples of CPU times.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  nextSchedulingClass,
  type ThreadTimes,
} from "../../../../mesh/adapters/linux/scheduling_class.ts";

const idles: ThreadTimes = { ranMs: 0, waitedMs: 0, runnable: false };
const works: ThreadTimes = { ranMs: 120, waitedMs: 130, runnable: true };
const starves: ThreadTimes = { ranMs: 4, waitedMs: 900, runnable: true };
const wasNeverRun: ThreadTimes = { ranMs: 0, waitedMs: 0, runnable: true };
const getsItsTenth: ThreadTimes = { ranMs: 150, waitedMs: 850, runnable: true };

Deno.test("threads that get the time they want run in SCHED_IDLE", () => {
  assert.equal(nextSchedulingClass("nice", [idles, works]), "idle");
  assert.equal(nextSchedulingClass("idle", [idles, works]), "idle");
  assert.equal(nextSchedulingClass("nice", []), "idle");
});

Deno.test("a thread that starves brings all threads to nice 10, where they stay while the machine is full", () => {
  assert.equal(nextSchedulingClass("idle", [works, starves]), "nice");
  assert.equal(nextSchedulingClass("idle", [idles, wasNeverRun]), "nice");
  assert.equal(nextSchedulingClass("nice", [works, getsItsTenth]), "nice");
  assert.equal(
    nextSchedulingClass("idle", [works, getsItsTenth]),
    "idle",
    "a tenth is what nice gives",
  );
});

Deno.test("a short wait changes nothing, however little the thread ran", () => {
  assert.equal(
    nextSchedulingClass("idle", [{ ranMs: 0.1, waitedMs: 200, runnable: false }]),
    "idle",
  );
});

Deno.test("more running never leads to nice 10, and more waiting never leads to SCHED_IDLE", () => {
  const times = fc.record({
    ranMs: fc.double({ min: 0, max: 1_000, noNaN: true }),
    waitedMs: fc.double({ min: 0, max: 1_000, noNaN: true }),
    runnable: fc.boolean(),
  });
  const rank = { nice: 0, idle: 1 };
  fc.assert(fc.property(
    fc.constantFrom("nice" as const, "idle" as const),
    fc.array(times, { minLength: 1, maxLength: 5 }),
    fc.double({ min: 0, max: 1_000, noNaN: true }),
    (present, threads, more) => {
      const [first, ...rest] = threads;
      const before = rank[nextSchedulingClass(present, threads)];
      const ran = nextSchedulingClass(present, [{ ...first, ranMs: first.ranMs + more }, ...rest]);
      assert.ok(rank[ran] >= before);
      if (first.ranMs === 0) return; // a thread that never ran starves, however long it waited
      const waited = nextSchedulingClass(present, [
        { ...first, waitedMs: first.waitedMs + more },
        ...rest,
      ]);
      assert.ok(rank[waited] <= before);
    },
  ));
});
