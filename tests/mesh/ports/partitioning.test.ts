import assert from "node:assert/strict";
import fc from "fast-check";
import {
  eventsOfExamples,
  isIn,
  numbersOf,
  partitioningsOf,
  partitionTotals,
  presentPartitioning,
} from "../../../mesh/ports/partitioning.ts";

const counts = fc.array(
  fc.record({ events: fc.integer({ min: 1, max: 5 }), share: fc.integer({ min: 1, max: 3 }) })
    .map(({ events, share }) => ({ events, examples: events * share })),
  { minLength: 1, maxLength: 5 },
);

Deno.test("each number is the number of one partition, of one partitioning", () => {
  fc.assert(fc.property(counts, (all) => {
    const partitionings = partitioningsOf(all);
    const totals = partitionTotals(all);
    for (const log of ["events", "examples"] as const) {
      assert.deepEqual(
        partitionings.flatMap((each) => numbersOf(each[log])),
        Array.from({ length: totals[log] }, (_, i) => i),
      );
    }
    assert.deepEqual(presentPartitioning(all), partitionings.at(-1));
  }));
});

Deno.test("a partition of examples is written by a joiner of its own partitioning", () => {
  fc.assert(fc.property(counts, (all) => {
    for (const { events, examples } of partitioningsOf(all)) {
      const writers = numbersOf(examples).map((each) => eventsOfExamples(all, each));
      assert.ok(writers.every((writer) => isIn(events, writer)));
      assert.deepEqual(new Set(writers), new Set(numbersOf(events)), "every joiner writes some");
    }
  }));
});
