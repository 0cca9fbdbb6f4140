import assert from "node:assert/strict";
import fc from "fast-check";
import { EventHeap } from "../../../mesh/simulation/event_heap.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";

Deno.test("the heap returns events by time, and events of the same time in the order of scheduling", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ atMs: fc.nat(20), cancelled: fc.boolean() }), { maxLength: 400 }),
      (specified) => {
        const heap = new EventHeap();
        const events = specified.map(({ atMs }, sequence) => ({
          atMs,
          sequence,
          callback: () => {},
          cancelled: false,
        }));
        for (const event of events) heap.push(event);
        events.forEach((event, i) => specified[i].cancelled && heap.cancel(event));
        const live = events.filter((_, i) => !specified[i].cancelled)
          .sort((a, b) => a.atMs - b.atMs || a.sequence - b.sequence);
        assert.equal(heap.length, live.length);
        for (const event of live) assert.equal(heap.pop(), event);
        assert.equal(heap.pop(), undefined);
      },
    ),
  );
});

Deno.test("timers run at their time, in order, and see that time", async () => {
  const clock = new VirtualClock({ startMs: 1_000_000 });
  const seen: [string, number][] = [];
  clock.schedule(30, () => seen.push(["c", clock.nowMs()]));
  clock.schedule(10, () => seen.push(["a", clock.nowMs()]));
  clock.schedule(10, () => {
    seen.push(["b", clock.nowMs()]);
    clock.schedule(0, () => seen.push(["b'", clock.nowMs()]));
  });
  const cancelled = clock.schedule(20, () => seen.push(["never", 0]));
  cancelled.cancel();
  cancelled.cancel();
  await clock.advance(29);
  assert.deepEqual(seen, [["a", 1_000_010], ["b", 1_000_010], ["b'", 1_000_010]]);
  await clock.advance(1);
  assert.equal(seen.length, 4);
  assert.equal(clock.pending, 0);
});

Deno.test("everything that an event's promises lead to happens before the next event", async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  clock.schedule(1, async () => {
    for (let i = 0; i < 50; i++) await Promise.resolve();
    seen.push("after fifty promises");
  });
  clock.schedule(1, () => seen.push("next event"));
  await clock.advance(1);
  assert.deepEqual(seen, ["after fifty promises", "next event"]);
});

Deno.test("the clock stands still while work outside is reported", async () => {
  const clock = new VirtualClock();
  let working = 1;
  clock.addOutsideWork({ inProgress: () => working });
  clock.schedule(5, () => {});
  setTimeout(() => working = 0, 20);
  await clock.advance(5);
  assert.equal(working, 0);
});

Deno.test("a wall clock that steps back does not disturb timers or durations", async () => {
  const clock = new VirtualClock({ startMs: 1_000_000 });
  let ran = false;
  clock.schedule(10, () => ran = true);
  clock.stepWall(-3_600_000);
  await clock.advance(10);
  assert.ok(ran);
  assert.equal(clock.monotonicMs(), 10);
  assert.equal(clock.nowMs(), 1_000_000 - 3_600_000 + 10);
});

Deno.test("a condition that never holds fails with its text", async () => {
  const clock = new VirtualClock();
  let count = 0;
  clock.schedule(10, () => count++);
  await clock.advanceUntil(() => count === 1, 100);
  assert.equal(clock.monotonicMs(), 10, "time stops where the condition holds");
  await assert.rejects(clock.advanceUntil(() => count === 2, 100), /within 100 virtual ms.*count/);
});

Deno.test("work that never ends fails the run with its name, at once where no work outside is expected", async () => {
  const clock = new VirtualClock({ outsideTurnsMax: 0 });
  clock.addOutsideWork({
    inProgress: () => 1,
    describe: () => ['trainer/0 on main in "cut"'],
  });
  await assert.rejects(clock.advance(5), /stuck at 0 ms: .* wait of trainer\/0 on main in "cut"/);
});

Deno.test("timers that follow each other without delay fail the run in place of never ending", async () => {
  const clock = new VirtualClock();
  const again = () => void clock.schedule(0, again);
  again();
  await assert.rejects(clock.advance(1), /More than 1000000 events ran at 0 ms/);
});

Deno.test("an error in a callback fails the run, and the clock can be advanced again", async () => {
  const clock = new VirtualClock();
  clock.schedule(1, () => {
    throw new Error("told to fail");
  });
  await assert.rejects(clock.advance(2), /told to fail/);
  await clock.advance(2);
  assert.equal(clock.monotonicMs(), 3);
});
