import assert from "node:assert/strict";
import { FreshnessTracker } from "../../../cli/load/freshness.ts";
import { percentile, Samples } from "../../../offline/evaluation/samples.ts";

Deno.test("an event is fresh at the first answer that learned through its acceptance", () => {
  const tracker = new FreshnessTracker();
  tracker.accepted(1000.1, 10, 12);
  tracker.accepted(1000.2, 20, 22);
  tracker.answered(1000.05, 30);
  assert.equal(tracker.samples.count, 0);
  tracker.answered(1000.1, 40);
  tracker.answered(1000.1, 45);
  assert.deepEqual([...tracker.samples.values()], [30]);
  assert.equal(tracker.waiting, 1);
  tracker.answered(2000, 60);
  assert.deepEqual([...tracker.samples.values()], [30, 40]);
  assert.equal(tracker.waiting, 0);
});

Deno.test("acceptances read out of order still wait for their own stamp", () => {
  const tracker = new FreshnessTracker();
  tracker.accepted(5, 1, 2);
  tracker.accepted(3, 1, 2);
  tracker.accepted(4, 1, 2);
  tracker.answered(4, 10);
  assert.equal(tracker.waiting, 1);
  tracker.answered(5, 20);
  assert.deepEqual([...tracker.samples.values()], [9, 9, 19]);
});

Deno.test("an acceptance read after an answer that knew it counts when it was read", () => {
  const tracker = new FreshnessTracker();
  tracker.answered(10, 5);
  tracker.accepted(8, 4, 7);
  assert.deepEqual([...tracker.samples.values()], [3]);
});

Deno.test("many events pass through and memory is given back", () => {
  const tracker = new FreshnessTracker();
  for (let i = 1; i <= 20_000; i++) {
    tracker.accepted(i, i, i);
    if (i % 100 === 0) tracker.answered(i - 50, i);
  }
  assert.equal(tracker.waiting, 50);
  assert.equal(tracker.samples.count, 19_950);
  assert.equal(percentile(tracker.samples.sorted(), 1), 149);
});

Deno.test("percentiles are samples by nearest rank", () => {
  const samples = new Samples();
  for (let i = 100; i >= 1; i--) samples.add(i);
  const sorted = samples.sorted();
  assert.deepEqual([0.01, 0.5, 0.99, 1].map((share) => percentile(sorted, share)), [
    1,
    50,
    99,
    100,
  ]);
  assert.ok(Number.isNaN(percentile(new Float64Array(0), 0.5)));
});
