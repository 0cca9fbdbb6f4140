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

Deno.test("an added entry is the newest; it hides an earlier one of its key, and both are deleted", () => {
  const map = new RecentMap<string, string>(3);
  for (const key of ["a", "b"]) map.set(key, "first");
  map.add("a", "second");
  assert.equal(map.get("a"), "second");
  map.add("c", "first");
  map.add("d", "first");
  assert.deepEqual(["a", "b", "c", "d"].map((key) => map.has(key)), [true, false, true, true]);
  map.add("c", "second");
  map.delete("c");
  assert.ok(!map.has("c"));
});

Deno.test("a bound of zero remembers nothing", () => {
  const map = new RecentMap<string, number>(0);
  map.set("a", 1);
  assert.equal(map.size, 0);
});

Deno.test("filled from the newest entry backwards, it holds what it would if filled forwards", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 8, max: 60 }),
      fc.nat(100),
      fc.nat(100),
      (entriesMax, older, newer) => {
        const map = new RecentMap<number, number>(entriesMax);
        // Older entries go in from the newest on, in turns with entries that are newer than all.
        let room = true;
        for (let i = 1; i <= Math.max(older, newer); i++) {
          if (i <= older && room) room = map.setOlder(-i, i);
          if (i <= newer) map.set(i, i);
        }
        assert.ok(map.size <= entriesMax);
        const sure = Math.floor(entriesMax / 8) * 7 + 1;
        for (let i = Math.max(1, newer - sure + 1); i <= newer; i++) assert.ok(map.has(i));
        const held = Array.from({ length: older }, (_, i) => map.has(-i - 1));
        assert.deepEqual(held, [...held].sort((a, b) => Number(b) - Number(a)), "no gap");
        if (room) assert.ok(!held.includes(false) || newer > 0);
      },
    ),
  );
});

Deno.test("a generation that says it is full makes room by dropping the oldest", () => {
  class Pair extends Map<string, number> {
    get isFull() {
      return this.size >= 2;
    }
  }
  const map = new RecentMap<string, number>(80, () => new Pair());
  for (let i = 0; i < 40; i++) map.set(`${i}`, i);
  assert.equal(map.size, 16);
  assert.ok(map.has("39") && map.has("24") && !map.has("23"));
});
