import assert from "node:assert/strict";
import { grownArray, scratchArray, zeroedArray } from "../../structures/scratch_array.ts";

Deno.test("an array that is long enough is used again, a short one makes way for one of the same type", () => {
  const floats = new Float32Array([1, 2, 3]);
  assert.equal(scratchArray(floats, 3), floats);
  assert.ok(scratchArray(floats, 4) instanceof Float32Array);
  assert.equal(scratchArray(new Uint32Array(0), 5).length, 10);
});

Deno.test("a zeroed array begins with zeros and keeps what lies behind them", () => {
  assert.deepEqual([...zeroedArray(new Uint32Array([1, 2, 3]), 2)], [0, 0, 3]);
  assert.deepEqual([...zeroedArray(new Uint32Array([1]), 2)], [0, 0, 0, 0]);
});

Deno.test("a grown array begins with what the short one held", () => {
  const words = new Uint32Array([7, 8]);
  assert.equal(grownArray(words, 2), words);
  assert.deepEqual([...grownArray(words, 3)], [7, 8, 0, 0, 0, 0]);
});
