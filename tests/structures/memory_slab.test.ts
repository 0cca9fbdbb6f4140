/**
 * Goal: arrays of a slab do not overlap, hold what was written, and share few buffers. Method:
 * random lengths.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MemorySlab } from "../../structures/memory_slab.ts";

Deno.test("arrays keep their contents, whatever is cut behind them", () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 60 });
  fc.assert(fc.property(lengths, (lengths) => {
    const slab = new MemorySlab();
    const arrays = lengths.map((length, i) => {
      if (i % 2 === 0) return slab.copyOf(new Uint8Array(length).fill(i));
      const words = slab.words(length);
      assert.ok(words.every((word) => word === 0));
      return words.fill(i);
    });
    arrays.forEach((array, i) => {
      assert.equal(array.length, lengths[i]);
      assert.ok(array.every((value) => value === i));
    });
  }));
});

Deno.test("many short arrays share a buffer, and a long one has its own", () => {
  const slab = new MemorySlab();
  const buffers = new Set(Array.from({ length: 150 }, () => slab.words(100).buffer));
  assert.equal(buffers.size, 1);
  const long = slab.copyOf(new Uint8Array(100_000));
  assert.equal(long.buffer.byteLength, 100_000);
  assert.ok(buffers.has(slab.words(1).buffer));
});
