import assert from "node:assert/strict";
import fc from "fast-check";
import { BodyDeadlines } from "../../../gateway/parsing/body_deadlines.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { StoppableClock } from "../stoppable_clock.ts";
import { collectGarbage } from "../../collect_garbage.ts";

Deno.test("each deadline passes at its time, unless it was cancelled", async () => {
  const clock = new VirtualClock();
  const deadlines = new BodyDeadlines(clock);
  const passedAtMs: Record<string, number> = {};
  const add = (name: string, atMs: number) => {
    const deadline = deadlines.add(atMs);
    deadline.passed.catch((problem) => {
      assert.equal(problem.kind, "body-timeout");
      passedAtMs[name] = clock.monotonicMs();
    });
    return deadline;
  };
  const beganMs = clock.monotonicMs();
  const read = add("read", beganMs + 100);
  add("late", beganMs + 100);
  add("later", beganMs + 150);
  const given = add("given up", beganMs + 150);
  read.cancel();
  await clock.advance(99);
  assert.deepEqual(passedAtMs, {});
  await clock.advance(1);
  given.cancel();
  await clock.advance(500);
  add("after a pause", beganMs + 700);
  await clock.advance(200);
  assert.deepEqual(passedAtMs, {
    "late": beganMs + 100,
    "later": beganMs + 150,
    "after a pause": beganMs + 700,
  });
});

Deno.test("bodies that are read in time share one timer", async () => {
  const clock = new VirtualClock();
  let timers = 0;
  const schedule = clock.schedule.bind(clock);
  clock.schedule = (delayMs, callback) => {
    timers++;
    return schedule(delayMs, callback);
  };
  const deadlines = new BodyDeadlines(clock);
  for (let i = 0; i < 1000; i++) {
    deadlines.add(clock.monotonicMs() + 100).cancel();
    await clock.advance(0.5);
  }
  assert.ok(timers <= 6, `${timers} timers in five times the budget`);
});

Deno.test("time in which the process was stopped is not counted for a body", async () => {
  const cases = fc.asyncProperty(
    fc.integer({ min: 300, max: 5_000 }),
    fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 600, max: 25_000 })), {
      minLength: 1,
      maxLength: 4,
    }),
    async (budgetMs, stops) => {
      const clock = new StoppableClock();
      const deadlines = new BodyDeadlines(clock);
      const deadline = deadlines.add(budgetMs);
      let isPassed = false;
      deadline.passed.catch(() => isPassed = true);
      let ranMs = 0;
      let stoppedMs = 0;
      for (const [runMs, stopMs] of stops) {
        clock.run(runMs);
        ranMs += runMs;
        clock.stopFor(stopMs);
        clock.run(0);
        stoppedMs += stopMs;
        await Promise.resolve();
        if (ranMs < budgetMs) {
          assert.equal(isPassed, false, `after ${ranMs} of ${budgetMs} ms, ${stoppedMs} stopped`);
          assert.ok(deadlines.atMs(deadline) - clock.monotonicMs() >= budgetMs - ranMs);
        }
      }
      clock.run(budgetMs + 1);
      await Promise.resolve();
      assert.equal(isPassed, true, "a body that does not come is late all the same");
    },
  );
  await fc.assert(cases);
});

Deno.test("a body whose deadline came during a stop is read before it counts as late", async () => {
  const clock = new StoppableClock();
  const deadlines = new BodyDeadlines(clock);
  clock.run(10);
  const deadline = deadlines.add(1_010);
  let isPassed = false;
  deadline.passed.catch(() => isPassed = true);
  clock.run(900);
  clock.stopFor(5_000);
  assert.ok(deadlines.atMs(deadline) > clock.monotonicMs(), "seen before the timer has fired");
  clock.run(0);
  await Promise.resolve();
  assert.equal(isPassed, false);
});

Deno.test("a body that was read is not kept behind an older one that is awaited", async () => {
  const deadlines = new BodyDeadlines(new VirtualClock());
  deadlines.add(1_000);
  const read = async () => {
    const deadline = deadlines.add(1_000);
    const bytes = new Uint8Array(9);
    await Promise.race([Promise.resolve(bytes), deadline.passed]);
    deadline.cancel();
    return new WeakRef(bytes);
  };
  const bytes = await read();
  await new Promise((resolve) => setTimeout(resolve, 0)); // a turn holds its references
  collectGarbage();
  assert.equal(bytes.deref(), undefined);
});
