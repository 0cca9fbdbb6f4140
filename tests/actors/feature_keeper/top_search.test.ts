import assert from "node:assert/strict";
import fc from "fast-check";
import { TopSearch } from "../../../actors/feature_keeper/top_search.ts";

function searchOf(table: Map<string, number[]>, count: number): TopSearch {
  const entries = function* () {
    for (const [key, value] of table) yield { key, value };
  };
  return new TopSearch({ items: entries(), valueOf: ([value]) => value, count, least: 0 });
}

function topOf(table: ReadonlyMap<string, readonly number[]>, count: number) {
  return [...table].map(([item, [value]]) => ({ item, value }))
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value || (a.item < b.item ? -1 : 1))
    .slice(0, count);
}

Deno.test("the list is that of a sort of all items, however many a step looks at", () => {
  const items = fc.uniqueArray(
    fc.tuple(fc.string({ maxLength: 3 }), fc.integer({ min: -1, max: 5 })),
    { selector: ([item]) => item, maxLength: 60 },
  );
  fc.assert(fc.property(
    items,
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 1, max: 9 }),
    (all, count, step) => {
      const table = new Map(all.map(([item, value]) => [item, [value]]));
      const search = searchOf(table, count);
      while (!search.step(step));
      const { items, values } = search.top;
      const expected = topOf(table, count);
      assert.deepEqual(items, expected.map(({ item }) => item));
      assert.deepEqual(values, expected.map(({ value }) => value));
    },
  ));
});

Deno.test("an item that gets events between two steps has its newer value, once", () => {
  const table = new Map([["a", [1]], ["b", [2]], ["c", [3]]]);
  const search = searchOf(table, 2);
  assert.ok(!search.step(2));
  table.delete("a");
  table.set("a", [9]);
  assert.ok(search.step(10));
  assert.deepEqual(search.top, { items: ["a", "c"], values: [9, 3] });
});
