import assert from "node:assert/strict";
import { BodyDeadlines } from "../../../gateway/parsing/body_deadlines.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";

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
