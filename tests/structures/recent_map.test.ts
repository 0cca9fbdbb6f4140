/**
 * The bounded memory against a model: a list that forgets from its front.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { RecentMap } from "../../structures/recent_map.ts";

Deno.test("it holds at most its bound, and at least 7/8 of it are the newest", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 8, max: 60 }),
      fc.integer({ min: 0, max: 200 }),
      (entriesMax, added) => {
        const map = new RecentMap<string, number>(entriesMax);
        for (let i = 0; i < added; i++) map.set(String(i), i);
        assert.ok(map.size <= entriesMax);
        // Generations of equal size leave up to 7 entries of the bound unused.
        const sure = Math.min(added, Math.floor(entriesMax / 8) * 7 + 1);
        for (let i = added - sure; i < added; i++) assert.equal(map.get(String(i)), i);
        for (let i = 0; i < added - entriesMax; i++) assert.ok(!map.has(String(i)));
      },
    ),
  );
});

Deno.test("an entry that is set again keeps its age, and one that is deleted is gone", () => {
  const map = new RecentMap<string, string>(3);
  for (const key of ["a", "b", "c"]) map.set(key, "first");
  map.set("a", "second");
  assert.equal(map.get("a"), "second");
  assert.equal(map.size, 3);
  map.set("d", "first");
  assert.equal(map.get("a"), undefined, "the oldest goes, however lately it was changed");
  map.delete("c");
  assert.deepEqual(["b", "c", "d"].map((key) => map.has(key)), [true, false, true]);
});

Deno.test("a bound of zero remembers nothing", () => {
  const map = new RecentMap<string, number>(0);
  map.set("a", 1);
  assert.equal(map.size, 0);
});
