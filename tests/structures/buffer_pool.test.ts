import assert from "node:assert/strict";
import { BufferPool } from "../../structures/buffer_pool.ts";

Deno.test("a buffer that was given back is taken again by an array of its size or a little more", () => {
  const pool = new BufferPool(2);
  const first = pool.take(800);
  pool.give(first);
  const second = pool.take(850);
  assert.equal(second.buffer, first.buffer);
  assert.equal(second.length, 850);
  assert.notEqual(pool.take(850).buffer, first.buffer);
});

Deno.test("the newest buffer that fits is taken, and the oldest is dropped beyond the limit", () => {
  const pool = new BufferPool(2);
  const [oldest, middle, newest] = [1_000, 1_000, 1_000].map((floats) => pool.take(floats));
  for (const array of [oldest, middle, newest]) pool.give(array);
  assert.equal(pool.take(1_000).buffer, newest.buffer);
  assert.equal(pool.take(1_000).buffer, middle.buffer);
  assert.notEqual(pool.take(1_000).buffer, oldest.buffer);
});

Deno.test("a short array does not take a long buffer, nor a long array a short one", () => {
  const pool = new BufferPool(2);
  const [short, long] = [100, 1_000].map((floats) => pool.take(floats));
  for (const array of [short, long]) pool.give(array);
  assert.ok(pool.take(300).buffer.byteLength < 2 * 4 * 300);
  assert.equal(pool.take(100).buffer, short.buffer);
  assert.equal(pool.take(1_000).buffer, long.buffer);
});

Deno.test("a copy has the bytes alone, in memory that was given back", () => {
  const pool = new BufferPool(1);
  const first = pool.copyOf(Uint8Array.of(1, 2, 3));
  pool.give(first);
  const second = pool.copyOf(Uint8Array.of(4, 5));
  assert.deepEqual([...second], [4, 5]);
  assert.deepEqual([...pool.copyOf(new Uint8Array(0))], []);
});
