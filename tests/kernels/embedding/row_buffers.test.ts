import assert from "node:assert/strict";
import { RowBuffers } from "../../../kernels/embedding/row_buffers.ts";

Deno.test("what was given is taken again by whoever needs as much or a little more", () => {
  const buffers = new RowBuffers(2);
  const first = buffers.take(800);
  buffers.give(first);
  const second = buffers.take(850);
  assert.equal(second.buffer, first.buffer);
  assert.equal(second.length, 850);
  assert.notEqual(buffers.take(1).buffer, first.buffer);
});

Deno.test("the smallest buffer that fits is taken, and of too many the smallest goes", () => {
  const buffers = new RowBuffers(2);
  const [small, middle, large] = [10, 1_000, 100_000].map((floats) => buffers.take(floats));
  for (const array of [large, small, middle]) buffers.give(array);
  assert.equal(buffers.take(10).buffer, middle.buffer);
  assert.equal(buffers.take(10).buffer, large.buffer);
  assert.notEqual(buffers.take(10).buffer, small.buffer);
});
