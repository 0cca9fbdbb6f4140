import assert from "node:assert/strict";
import { BufferPool } from "../../structures/buffer_pool.ts";

Deno.test("a buffer that was given back is taken again by an array of its size or a little more", () => {
  const pool = new BufferPool(2);
  const first = pool.take(800);
  pool.give(first);
  const second = pool.take(850);
  assert.equal(second.buffer, first.buffer);
  assert.equal(second.length, 850);
  assert.notEqual(pool.take(1).buffer, first.buffer);
});

Deno.test("the smallest buffer that fits is taken, and the smallest is dropped beyond the limit", () => {
  const pool = new BufferPool(2);
  const [small, middle, large] = [10, 1_000, 100_000].map((floats) => pool.take(floats));
  for (const array of [large, small, middle]) pool.give(array);
  assert.equal(pool.take(10).buffer, middle.buffer);
  assert.equal(pool.take(10).buffer, large.buffer);
  assert.notEqual(pool.take(10).buffer, small.buffer);
});
