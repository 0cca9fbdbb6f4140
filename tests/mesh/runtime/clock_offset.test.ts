import assert from "node:assert/strict";
import { ClockOffset } from "../../../mesh/runtime/clock_offset.ts";

Deno.test("the offset is the smallest difference, which has the shortest transit", () => {
  const offset = new ClockOffset();
  assert.equal(offset.ms, Infinity);
  for (const transitMs of [5, 1, 9]) offset.add(100, 100 + 1_000 + transitMs);
  assert.equal(offset.ms, 1_001);
});

Deno.test("clocks that drift apart move the offset", () => {
  const offset = new ClockOffset();
  // The receiver's clock gains 50 ms in 1,000 s, as a quartz may in a day of seconds.
  for (let sentMs = 0; sentMs < 100_000_000; sentMs += 1_000) {
    const receivedMs = sentMs * 1.00005 + 1_000;
    offset.add(sentMs, receivedMs);
    const error = receivedMs - sentMs - offset.ms;
    assert.ok(error >= 0 && error < 4, `${error} ms after ${sentMs} ms`);
  }
});

Deno.test("after a long silence the first batch counts alone", () => {
  const offset = new ClockOffset();
  offset.add(0, 10);
  offset.add(3_600_000, 3_600_500);
  assert.equal(offset.ms, 500);
});
