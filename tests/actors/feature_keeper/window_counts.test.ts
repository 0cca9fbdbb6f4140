import assert from "node:assert/strict";
import fc from "fast-check";
import {
  addToWindow,
  PARTS,
  sumOf,
  WINDOW_NUMBERS,
} from "../../../actors/feature_keeper/window_counts.ts";

const windowMs = 12_000;
const partMs = windowMs / PARTS;

function empty(): number[] {
  return [-Infinity, ...Array.from({ length: WINDOW_NUMBERS - 1 }, () => 0)];
}

Deno.test("a window counts its events and forgets them as time passes", () => {
  const numbers = empty();
  assert.equal(sumOf(numbers, 0, windowMs, 0), 0);
  addToWindow(numbers, 0, { windowMs, atMs: 500, amount: 1 });
  addToWindow(numbers, 0, { windowMs, atMs: 5_500, amount: 1 });
  assert.equal(sumOf(numbers, 0, windowMs, 6_000), 2);
  assert.equal(sumOf(numbers, 0, windowMs, 11_999), 2);
  assert.equal(sumOf(numbers, 0, windowMs, 12_000), 1);
  assert.equal(sumOf(numbers, 0, windowMs, 1e12), 0);
  assert.equal(sumOf(numbers, 0, windowMs, 700), 1, "a read of the past has no later parts");
});

Deno.test("a count is that of the events in the present part and the parts before it", () => {
  const times = fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 60 });
  fc.assert(fc.property(times, fc.integer({ min: 0, max: 60_000 }), (events, readAfter) => {
    const numbers = empty();
    let newest = 0;
    const counted: number[] = [];
    for (const atMs of events) {
      addToWindow(numbers, 0, { windowMs, atMs, amount: 1 });
      if (Math.floor(atMs / partMs) > Math.floor(newest / partMs) - PARTS) counted.push(atMs);
      newest = Math.max(newest, atMs);
    }
    const nowMs = newest + readAfter;
    const now = Math.floor(nowMs / partMs);
    const expected = counted.filter((atMs) => {
      const part = Math.floor(atMs / partMs);
      return part <= now && part > now - PARTS;
    });
    assert.equal(sumOf(numbers, 0, windowMs, nowMs), expected.length);
  }));
});
