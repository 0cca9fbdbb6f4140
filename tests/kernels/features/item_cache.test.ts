/** The cache's bound and its memory of what was used last. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ItemCache } from "../../../kernels/features/item_cache.ts";

const item = (version: number) => ({
  version,
  data: new Uint32Array(0),
  dense: new Float32Array(0),
});

Deno.test("the cache never holds more than its limit", () => {
  const ids = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 200 });
  fc.assert(fc.property(fc.integer({ min: 0, max: 9 }), ids, (itemsMax, ids) => {
    const cache = new ItemCache(itemsMax);
    for (const id of ids) {
      if (cache.get(String(id), 1) === undefined) cache.set(String(id), item(1));
      assert.ok(cache.size <= itemsMax, `${cache.size} of ${itemsMax}`);
    }
  }));
});

Deno.test("an item in steady use outlives the passing ones", () => {
  const cache = new ItemCache(10);
  cache.set("steady", item(1));
  for (let i = 0; i < 1000; i++) {
    cache.set(`passing ${i}`, item(1));
    assert.notEqual(cache.get("steady", 1), undefined, `after ${i + 1} others`);
  }
});

Deno.test("another version is not the same item", () => {
  const cache = new ItemCache(10);
  cache.set("m", item(3));
  assert.equal(cache.get("m", 2), undefined);
  assert.equal(cache.get("m", 4), undefined);
  assert.notEqual(cache.get("m", 3), undefined);
});
