/** The rows that count as first impressions of new items. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { firstImpressions } from "../../../offline/evaluation/first_impressions.ts";

Deno.test("items of the warm-up are not new, and each new item counts up to its bound", () => {
  const items = [1n, 2n, 1n, 3n, 3n, 2n, 4n, 3n];
  assert.deepEqual(firstImpressions(items, 2, 2), [3, 4, 6]);
  assert.deepEqual(firstImpressions(items, 0, 1), [0, 1, 3, 6]);
  assert.deepEqual(firstImpressions(items, items.length, 9), []);
  assert.deepEqual(firstImpressions([], 0, 1), []);
});

Deno.test("a row counts if its item has no row in the warm-up and fewer than the bound before it", () => {
  fc.assert(
    fc.property(
      fc.array(fc.bigInt({ min: 0n, max: 5n })),
      fc.nat(20),
      fc.integer({ min: 1, max: 4 }),
      (items, warmUp, most) => {
        const expected = [...items.keys()].filter((row) => {
          const before = items.slice(0, row).filter((item) => item === items[row]).length;
          return row >= warmUp && !items.slice(0, warmUp).includes(items[row]) && before < most;
        });
        assert.deepEqual(firstImpressions(items, warmUp, most), expected);
      },
    ),
  );
});
