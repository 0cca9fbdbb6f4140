import assert from "node:assert/strict";
import fc from "fast-check";
import { HeldItems } from "../../../actors/retriever/held_items.ts";
import { RecentItems } from "../../../actors/retriever/recent_items.ts";

const all = () => true;

Deno.test("the list is that of a sort of all items after any changes", () => {
  const change = fc.record({
    id: fc.constantFrom(..."abcdefghijkl"),
    at: fc.option(fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constant("late")), {
      nil: undefined,
    }),
    reads: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(change, { maxLength: 80 }), (changes) => {
    const items = new HeldItems(100, ["at"]);
    const recent = new RecentItems(items, "at", 4);
    for (const { id, at, reads } of changes) {
      const index = at === undefined ? items.delete(id) : items.put(id, { at });
      if (index !== undefined) recent.changed(index);
      if (!reads) continue;
      const sorted = Array.from({ length: items.end }, (_, i) => i)
        .filter((i) => items.has(i) && typeof items.attributesOf(i).at === "number")
        .sort((a, b) =>
          Number(items.attributesOf(b).at) - Number(items.attributesOf(a).at) || a - b
        );
      const newest = recent.newest(10, all);
      // Between two looks at all items the list may be half as long.
      assert.ok(newest.length >= Math.min(2, sorted.length) && newest.length <= 4);
      assert.deepEqual(newest, sorted.slice(0, newest.length));
    }
  }));
});

Deno.test("items that are not allowed are passed over", () => {
  const items = new HeldItems(100, ["at"]);
  const recent = new RecentItems(items, "at");
  for (let i = 0; i < 10; i++) {
    const index = items.put(`i${i}`, { at: i });
    if (index !== undefined) recent.changed(index);
  }
  assert.deepEqual(recent.newest(3, (index) => index % 2 === 0), [8, 6, 4]);
  assert.deepEqual(new RecentItems(items, undefined).newest(3, all), []);
});
