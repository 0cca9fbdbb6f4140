import assert from "node:assert/strict";
import fc from "fast-check";
import { ItemPool, type ItemPoolOptions } from "../../structures/item_pool.ts";

/** A fixed sequence of numbers below 1 that visits all indices. */
const uniformAt = (draw: number) => (draw * 0.618) % 1;
const nothing = () => false;

function poolOf(changes: Partial<ItemPoolOptions>): ItemPool {
  return new ItemPool({ eventsMax: 100, itemsMax: 100, uniformShare: 0, ...changes });
}

Deno.test("a pool samples distinct items and leaves the excluded ones out", () => {
  const pool = poolOf({});
  for (const item of ["a", "b", "c", "a", "a"]) pool.add(item);
  assert.deepEqual(pool.sample(3, nothing, uniformAt).sort(), ["a", "b", "c"]);
  assert.deepEqual(pool.sample(3, (item) => item === "a", uniformAt).sort(), ["b", "c"]);
});

Deno.test("an item that occurs often is drawn first more often", () => {
  const pool = poolOf({});
  for (let i = 0; i < 90; i++) pool.add("popular");
  for (let i = 0; i < 10; i++) pool.add("rare");
  let popular = 0;
  for (let i = 0; i < 100; i++) {
    if (pool.sample(1, nothing, () => uniformAt(i))[0] === "popular") popular++;
  }
  assert.ok(popular > 80 && popular < 100, `${popular} of 100`);
});

Deno.test("beyond its bound a pool forgets the items of the oldest events", () => {
  const pool = poolOf({ eventsMax: 2 });
  for (const item of ["old", "x", "y"]) pool.add(item);
  assert.deepEqual(pool.sample(3, nothing, uniformAt).sort(), ["x", "y"]);
});

Deno.test("an empty pool, or one whose items are all excluded, gives none", () => {
  const pool = poolOf({ eventsMax: 2 });
  assert.deepEqual(pool.sample(2, nothing, uniformAt), []);
  pool.add("a");
  assert.deepEqual(pool.sample(2, () => true, uniformAt), []);
});

Deno.test("a draw has the probability of its item: by events and uniform, by the stated share", () => {
  const draws = 2_000;
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("a", "b", "c", "d", "e"), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom(0, 0.25, 0.5, 1),
      (items, eventsMax, uniformShare) => {
        const pool = poolOf({ eventsMax, uniformShare });
        for (const item of items) pool.add(item);
        const counts = new Map<string, number>();
        for (let i = 0; i < draws; i++) {
          const [item] = pool.sample(1, nothing, () => i / draws);
          counts.set(item, (counts.get(item) ?? 0) + 1);
        }
        const newest = items.slice(-eventsMax);
        for (const item of new Set(items)) {
          const byEvents = newest.filter((other) => other === item).length / newest.length;
          const expected = (1 - uniformShare) * byEvents + uniformShare / new Set(items).size;
          const share = (counts.get(item) ?? 0) / draws;
          // Each interval of draws that an item has begins and ends between two of the draws.
          const tolerance = (newest.length + 2) / draws;
          assert.ok(Math.abs(share - expected) <= tolerance, `${item}: ${share}, ${expected}`);
        }
      },
    ),
  );
});

Deno.test("an item without a recent event is drawn by the uniform share alone", () => {
  for (const [uniformShare, expected] of [[0, ["new"]], [0.5, ["new", "old"]]] as const) {
    const pool = poolOf({ eventsMax: 3, uniformShare });
    for (const item of ["old", "new", "new", "new"]) pool.add(item);
    assert.deepEqual(pool.sample(2, nothing, uniformAt).sort(), expected);
  }
});

Deno.test("above its bound of items a pool forgets the item that it knew first, until it comes again", () => {
  const pool = poolOf({ eventsMax: 1, itemsMax: 2, uniformShare: 1 });
  for (const item of ["a", "b", "b", "c"]) pool.add(item);
  assert.deepEqual(pool.sample(3, nothing, uniformAt).sort(), ["b", "c"]);
  pool.add("a");
  assert.deepEqual(pool.sample(3, nothing, uniformAt).sort(), ["a", "c"]);
});
