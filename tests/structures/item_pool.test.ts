import assert from "node:assert/strict";
import { ItemPool } from "../../structures/item_pool.ts";

/** A fixed sequence of numbers below 1 that visits all indices. */
const uniformAt = (draw: number) => (draw * 0.618) % 1;
const nothing = () => false;

Deno.test("a pool samples distinct items and leaves the excluded ones out", () => {
  const pool = new ItemPool(100);
  for (const item of ["a", "b", "c", "a", "a"]) pool.add(item);
  assert.deepEqual(pool.sample(3, nothing, uniformAt).sort(), ["a", "b", "c"]);
  assert.deepEqual(pool.sample(3, (item) => item === "a", uniformAt).sort(), ["b", "c"]);
});

Deno.test("an item that occurs often is drawn first more often", () => {
  const pool = new ItemPool(100);
  for (let i = 0; i < 90; i++) pool.add("popular");
  for (let i = 0; i < 10; i++) pool.add("rare");
  let popular = 0;
  for (let i = 0; i < 100; i++) {
    if (pool.sample(1, nothing, () => uniformAt(i))[0] === "popular") popular++;
  }
  assert.ok(popular > 80 && popular < 100, `${popular} of 100`);
});

Deno.test("beyond its bound a pool forgets the items of the oldest events", () => {
  const pool = new ItemPool(2);
  for (const item of ["old", "x", "y"]) pool.add(item);
  assert.deepEqual(pool.sample(3, nothing, uniformAt).sort(), ["x", "y"]);
});

Deno.test("an empty pool, or one whose items are all excluded, gives none", () => {
  const pool = new ItemPool(2);
  assert.deepEqual(pool.sample(2, nothing, uniformAt), []);
  pool.add("a");
  assert.deepEqual(pool.sample(2, () => true, uniformAt), []);
});
