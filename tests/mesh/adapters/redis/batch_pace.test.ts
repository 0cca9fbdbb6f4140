import assert from "node:assert/strict";
import { BatchPace } from "../../../../mesh/adapters/redis/batch_pace.ts";
import { VirtualClock } from "../../../../mesh/simulation/virtual_clock.ts";

/** The time at which the next batch leaves, as soon as it does. */
function departure(pace: BatchPace, clock: VirtualClock, waiting = 1) {
  const left = { atMs: -1 };
  void pace.next(waiting).then(() => left.atMs = clock.monotonicMs());
  return left;
}

async function started() {
  const clock = new VirtualClock();
  const pace = new BatchPace(clock);
  await clock.advance(100);
  const first = departure(pace, clock);
  await clock.advance(0);
  return { clock, pace, beganMs: first.atMs };
}

Deno.test("an append that comes alone waits for nothing", async () => {
  const { clock, pace, beganMs } = await started();
  assert.equal(beganMs, clock.monotonicMs());
  await clock.advance(2);
  const second = departure(pace, clock);
  await clock.advance(0);
  assert.equal(second.atMs, beganMs + 2);
});

Deno.test("a batch leaves two milliseconds after the one before", async () => {
  const { clock, pace, beganMs } = await started();
  await clock.advance(0.5);
  const second = departure(pace, clock);
  pace.tell(7);
  await clock.advance(1);
  assert.equal(second.atMs, -1, "it waits for further appends");
  await clock.advance(10);
  assert.equal(second.atMs, beganMs + 2);
});

Deno.test("a batch of eight appends leaves at once", async () => {
  const { clock, pace, beganMs } = await started();
  const second = departure(pace, clock, 7);
  await clock.advance(0.5);
  assert.equal(second.atMs, -1, "one more is missing");
  pace.tell(8);
  await clock.advance(0);
  assert.equal(second.atMs, beganMs + 0.5);
  const third = departure(pace, clock, 8);
  await clock.advance(0);
  assert.equal(third.atMs, beganMs + 0.5);
});
