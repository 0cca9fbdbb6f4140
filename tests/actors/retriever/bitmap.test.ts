import assert from "node:assert/strict";
import fc from "fast-check";
import { Bitmap } from "../../../actors/retriever/bitmap.ts";

function maskOf(numbers: readonly number[], end: number): Uint32Array {
  const bitmap = new Bitmap();
  for (const number of numbers) bitmap.set(number, true);
  return bitmap.words(end);
}

Deno.test("a sample has distinct numbers of the mask, as many as are asked for or there are", () => {
  fc.assert(fc.property(
    fc.uniqueArray(fc.integer({ min: 0, max: 300 })),
    fc.integer({ min: 0, max: 40 }),
    fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    (numbers, count, draw) => {
      const sample = Bitmap.spaced(maskOf(numbers, 301), count, draw);
      assert.equal(new Set(sample).size, sample.length);
      assert.ok(sample.every((number) => numbers.includes(number)));
      assert.equal(sample.length, Math.min(count, numbers.length));
    },
  ));
});

Deno.test("over all draws each number has the same chance", () => {
  const numbers = [0, 31, 32, 63, 64, 65, 200];
  const counts = new Map<number, number>();
  const draws = 7_000;
  for (let i = 0; i < draws; i++) {
    for (const number of Bitmap.spaced(maskOf(numbers, 256), 3, i / draws)) {
      counts.set(number, (counts.get(number) ?? 0) + 1);
    }
  }
  for (const number of numbers) {
    const share = (counts.get(number) ?? 0) / draws;
    assert.ok(Math.abs(share - 3 / 7) < 0.01, `${number}: ${share}`);
  }
});
