/** The cache against a map: what it finds is what was kept last, whatever else came and went. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ItemCache, type WordsHash } from "../../../kernels/features/item_cache.ts";

/** Writes a payload that begins with its own length. */
function keep(cache: ItemCache, id: string, payload: readonly number[]): boolean {
  const place = cache.insert(id, 1 + payload.length);
  if (place === 0) return false;
  cache.words.set([payload.length, ...payload], place);
  return true;
}

function kept(cache: ItemCache, id: string): number[] | undefined {
  const place = cache.find(id);
  if (place === 0) return undefined;
  return [...cache.words.subarray(place + 1, place + 1 + cache.words[place])];
}

const ids = fc.oneof(
  fc.constantFrom("", "a", "ab", "abc", "abcd", "abcde", "a\0", "ü", "日本", "🎬", "a".repeat(300)),
  fc.integer({ min: 0, max: 300 }).map((n) => `item-${n}`),
);
const payload = fc.array(fc.nat(), { maxLength: 40 });
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ keep: ids, payload }) },
  { weight: 3, arbitrary: fc.record({ find: ids }) },
  { weight: 1, arbitrary: fc.record({ forget: ids }) },
);
const steps = fc.array(step, { maxLength: 400, size: "max" });

function followsTheMap(bytesMax: number, hash?: WordsHash) {
  fc.assert(fc.property(steps, (steps) => {
    const cache = new ItemCache(bytesMax, hash);
    const model = new Map<string, number[]>();
    for (const step of steps) {
      if ("keep" in step) {
        if (keep(cache, step.keep, step.payload)) model.set(step.keep, step.payload);
        else model.delete(step.keep);
        assert.deepEqual(kept(cache, step.keep), model.get(step.keep));
      } else if ("forget" in step) {
        cache.forget(step.forget);
        model.delete(step.forget);
        assert.equal(cache.find(step.forget), 0);
      } else {
        const found = kept(cache, step.find);
        if (found !== undefined) assert.deepEqual(found, model.get(step.find));
      }
    }
    const many = ["not kept", ...model.keys(), "nor this"];
    const places = new Uint32Array(many.length);
    cache.findAll(many.map((id) => ({ id })), places);
    assert.deepEqual([...places], many.map((id) => cache.find(id)));
    const all = [...model.keys()].filter((id) => cache.find(id) !== 0);
    assert.equal(all.length, cache.size, "entries that no id finds");
    for (const id of all) assert.deepEqual(kept(cache, id), model.get(id));
  }));
}

Deno.test("what is found is what was kept last, while old items make room for new ones", () => {
  for (const bytesMax of [4096, 10_000, 30_000]) followsTheMap(bytesMax);
});

Deno.test("ids whose hashes are equal, or nearly, do not meet", () => {
  followsTheMap(30_000, () => 7);
  followsTheMap(30_000, (words, begin, end) => begin === end ? 0 : words[begin] & 1);
  followsTheMap(
    30_000,
    (words, begin, end) => (begin === end ? 0 : words[begin] | 0xffff_ff00) >>> 0,
  );
});

Deno.test("nothing is lost while there is room", () => {
  const cache = new ItemCache(1 << 20);
  for (let i = 0; i < 4_000; i++) assert.ok(keep(cache, `item-${i}`, [i, i + 1]));
  assert.equal(cache.size, 4_000);
  for (let i = 0; i < 4_000; i++) assert.deepEqual(kept(cache, `item-${i}`), [i, i + 1]);
});

Deno.test("more ids with one hash than a lookup may try are not kept, and harm nobody", () => {
  const cache = new ItemCache(1 << 20, () => 7);
  const taken = Array.from({ length: 400 }, (_, i) => keep(cache, `item-${i}`, [i]));
  assert.equal(taken.filter(Boolean).length, 256);
  assert.equal(cache.size, 256);
  cache.forget("item-3");
  assert.ok(keep(cache, "item-350", [350]), "a place that came free is taken");
  assert.deepEqual(kept(cache, "item-255"), [255]);
  assert.equal(cache.find("item-3"), 0);
});

Deno.test("the newest items are there however many passed, and the bound holds", () => {
  for (const wordsEach of [0, 10, 50]) {
    const cache = new ItemCache(1 << 16);
    const itemsMax = (1 << 16) / (4 * (3 + wordsEach));
    for (let i = 0; i < 20_000; i++) {
      keep(cache, `item-${i}`, new Array(wordsEach).fill(i));
      assert.ok(cache.size <= itemsMax, `${cache.size} of ${itemsMax}`);
      for (let back = 0; back < 20; back++) {
        if (i >= back) assert.ok(cache.find(`item-${i - back}`) !== 0);
      }
    }
    assert.ok(cache.size > 100, `${cache.size}`);
  }
});

Deno.test("an item in steady use outlives those that pass", () => {
  const cache = new ItemCache(1 << 16);
  keep(cache, "steady", [42]);
  for (let i = 0; i < 50_000; i++) {
    keep(cache, `passing ${i}`, [i, i, i]);
    if (i % 100 === 0) assert.deepEqual(kept(cache, "steady"), [42], `after ${i + 1} others`);
  }
});

Deno.test("a payload that would push out a large share is not kept; nor is any without memory", () => {
  const cache = new ItemCache(1 << 16);
  keep(cache, "small", [1]);
  assert.equal(cache.insert("huge", 2_000), 0);
  assert.deepEqual(kept(cache, "small"), [1]);
  const none = new ItemCache(0);
  assert.equal(none.insert("a", 1), 0);
  assert.equal(none.find("a"), 0);
  none.forget("a");
});
