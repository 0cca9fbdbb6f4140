/** Buckets, scaled values and times against their stated formulas. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { bucketOf, scale, timePartOf } from "../../../kernels/features/numbers.ts";
import { type Scaling, SLOT_NUMBER_MAX, slotNumberOf } from "../../../kernels/features/schema.ts";

const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 });
const log = { kind: "log", unit: 1, perDoubling: 2 } as const;

Deno.test("log buckets are fine near zero, coarse far away, and mirrored", () => {
  assert.deepEqual([0, 0.4, 0.5, 1, 3, 1000, 1e6].map((x) => bucketOf(x, log)), [
    0,
    0,
    1,
    2,
    4,
    19,
    39,
  ]);
  assert.equal(bucketOf(-3, log), -4);
  assert.equal(String(bucketOf(-0, log)), "0");
});

Deno.test("a larger number is never in a lower bucket", () => {
  const buckets = fc.constantFrom(log, { kind: "linear", width: 0.25 } as const);
  fc.assert(fc.property(finite, finite, buckets, (a, b, kind) => {
    assert.ok(bucketOf(Math.min(a, b), kind) <= bucketOf(Math.max(a, b), kind));
  }));
});

Deno.test("each scaling is its formula", () => {
  assert.equal(scale(-3, { kind: "none", clip: 10 }), -3);
  assert.equal(scale(-30, { kind: "none", clip: 10 }), -10);
  assert.equal(scale(-3, { kind: "log" }), -Math.log1p(3));
  const standard = { kind: "standard", mean: 3, stddev: 4, clip: 10 } as const;
  assert.deepEqual([5, 43, 44, -1e38].map((x) => scale(x, standard)), [0.5, 10, 10, -10]);
  const range = { kind: "range", low: 10, high: 20 } as const;
  assert.deepEqual([5, 10, 15, 99].map((x) => scale(x, range)), [0, 0, 0.5, 1]);
});

Deno.test("a scaled value is finite as float32 and within its bound, for any float32", () => {
  const numbers = fc.float({ noNaN: true, noDefaultInfinity: true });
  const clip = fc.constantFrom(1e-3, 1, 1e4, 3e38);
  const scalings: fc.Arbitrary<Scaling> = fc.oneof(
    fc.record({ kind: fc.constant("none" as const), clip }),
    fc.record({ kind: fc.constant("log" as const) }),
    fc.record({
      kind: fc.constant("standard" as const),
      mean: fc.double({ noNaN: true, noDefaultInfinity: true }),
      stddev: fc.double({ noNaN: true, noDefaultInfinity: true, min: Number.MIN_VALUE }),
      clip,
    }),
    fc.record({
      kind: fc.constant("range" as const),
      low: fc.double({ noNaN: true, max: 1e300, min: -1e300 }),
      high: fc.double({ noNaN: true, noDefaultInfinity: true, min: 1.1e300 }),
    }),
  );
  fc.assert(fc.property(numbers, scalings, (value, scaling) => {
    const scaled = Math.fround(scale(value, scaling));
    const bound = "clip" in scaling ? Math.fround(scaling.clip) : 100;
    assert.ok(Math.abs(scaled) <= bound, `${scaled}`);
  }));
});

Deno.test("times of day and week agree with the calendar, before and after the epoch", () => {
  fc.assert(fc.property(fc.integer({ min: -8e12, max: 8e12 }), (atMs) => {
    const date = new Date(atMs);
    const day = date.getUTCDay();
    const hour = date.getUTCHours();
    assert.equal(timePartOf(atMs, "dayOfWeek", 0), day);
    assert.equal(timePartOf(atMs, "hourOfDay", 0), hour);
    assert.equal(timePartOf(atMs, "hourOfWeek", 0), day * 24 + hour);
  }));
});

Deno.test("an offset moves the time before its part is taken", () => {
  const sundayNight = Date.UTC(2024, 4, 5, 23, 30);
  assert.equal(timePartOf(sundayNight, "dayOfWeek", 60), 1);
  assert.equal(timePartOf(sundayNight, "hourOfDay", -90), 22);
});

Deno.test("a slot's number is a function of its name, and fits in 15 bits", () => {
  assert.equal(slotNumberOf("user"), 8165); // ids of stored tables depend on this value
  fc.assert(fc.property(fc.string(), (name) => {
    const number = slotNumberOf(name);
    assert.ok(number >= 1 && number <= SLOT_NUMBER_MAX);
  }));
});
