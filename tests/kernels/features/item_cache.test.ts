/**
 * Goal: a cached payload is the last one that was inserted, however items come and go. Method:
 * random operations on the cache and on a `Map`, with good and bad hash functions.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ItemCache } from "../../../kernels/features/item_cache.ts";
import type { WordsHash } from "../../../kernels/features/murmur3.ts";
import { largeMemories } from "../../../structures/large_memories.ts";

/** Writes a payload that begins with its own length. */
function keep(cache: ItemCache, id: string, payload: readonly number[]): boolean {
  const address = cache.insert(id, 1 + payload.length);
  if (address === 0) return false;
  cache.words.set([payload.length, ...payload], address);
  return true;
}

function kept(cache: ItemCache, id: string): number[] | undefined {
  const address = cache.find(id);
  if (address === 0) return undefined;
  return [...cache.words.subarray(address + 1, address + 1 + cache.words[address])];
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
  { weight: 1, arbitrary: fc.constant({ clear: true }) },
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
      } else if ("clear" in step) {
        // Seldom, so that the cache also fills up.
        if (model.size < 20) continue;
        cache.clear();
        model.clear();
        assert.equal(cache.size, 0);
      } else if ("forget" in step) {
        cache.delete(step.forget);
        model.delete(step.forget);
        assert.equal(cache.find(step.forget), 0);
      } else {
        const found = kept(cache, step.find);
        if (found !== undefined) assert.deepEqual(found, model.get(step.find));
      }
    }
    const many = ["not kept", ...model.keys(), "nor this"];
    const addresses = new Uint32Array(many.length);
    cache.findAll(many.map((id) => ({ id })), addresses);
    assert.deepEqual([...addresses], many.map((id) => cache.find(id)));
    const all = [...model.keys()].filter((id) => cache.find(id) !== 0);
    assert.equal(all.length, cache.size, "entries that no id finds");
    for (const id of all) assert.deepEqual(kept(cache, id), model.get(id));
  }));
}

Deno.test("a found payload is the last one inserted, while old items make room for new ones", () => {
  for (const bytesMax of [4096, 10_000, 30_000]) followsTheMap(bytesMax);
});

Deno.test("ids with equal or similar hashes are told apart", () => {
  followsTheMap(30_000, () => 7);
  followsTheMap(30_000, (words, begin, end) => begin === end ? 0 : words[begin] & 1);
  followsTheMap(
    30_000,
    (words, begin, end) => (begin === end ? 0 : words[begin] | 0xffff_ff00) >>> 0,
  );
});

Deno.test("no item is lost while there is room", () => {
  const cache = new ItemCache(1 << 20);
  for (let i = 0; i < 4_000; i++) assert.ok(keep(cache, `item-${i}`, [i, i + 1]));
  assert.equal(cache.size, 4_000);
  for (let i = 0; i < 4_000; i++) assert.deepEqual(kept(cache, `item-${i}`), [i, i + 1]);
});

Deno.test("ids beyond the probe limit of one hash are not kept, and other ids are found as before", () => {
  const cache = new ItemCache(1 << 20, () => 7);
  const taken = Array.from({ length: 400 }, (_, i) => keep(cache, `item-${i}`, [i]));
  assert.equal(taken.filter(Boolean).length, 256);
  assert.equal(cache.size, 256);
  cache.delete("item-3");
  assert.ok(keep(cache, "item-350", [350]), "a cell that became free is used again");
  assert.deepEqual(kept(cache, "item-255"), [255]);
  assert.equal(cache.find("item-3"), 0);
});

Deno.test("the newest items are kept however many came before, within the memory bound", () => {
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

Deno.test("an item in steady use is kept while items used once are evicted", () => {
  const cache = new ItemCache(1 << 16);
  keep(cache, "steady", [42]);
  for (let i = 0; i < 50_000; i++) {
    keep(cache, `passing ${i}`, [i, i, i]);
    if (i % 100 === 0) assert.deepEqual(kept(cache, "steady"), [42], `after ${i + 1} others`);
  }
});

Deno.test("a payload larger than a sixteenth of the cache is not kept, nor any without memory", () => {
  const cache = new ItemCache(1 << 16);
  keep(cache, "small", [1]);
  assert.equal(cache.insert("huge", 2_000), 0);
  assert.deepEqual(kept(cache, "small"), [1]);
  const none = new ItemCache(0);
  assert.equal(none.insert("a", 1), 0);
  assert.equal(none.find("a"), 0);
  none.delete("a");
});

Deno.test("its memories are listed for its thread, each with the part that has been written", () => {
  const before = largeMemories();
  const cache = new ItemCache(1 << 20);
  const memories = largeMemories().filter((each) => !before.includes(each));
  const [ring, index] = memories;
  assert.equal(memories.length, 2);
  const bytes = ring.buffer.byteLength + index.buffer.byteLength;
  assert.ok(bytes <= 1 << 20 && bytes > (1 << 20) - 8, `${bytes}`);
  const used = () => [ring.usedBytes, index.usedBytes];
  assert.deepEqual(used(), [4, 0]);
  keep(cache, "item", [1, 2]);
  assert.deepEqual(used(), [4 + 4 * (3 + 1 + 3), 0]);
  for (let i = 0; i < 1_000; i++) keep(cache, `item-${i}`, [i]);
  assert.deepEqual(index.usedBytes, index.buffer.byteLength);
  for (let i = 0; i < 100_000; i++) keep(cache, `item-${i}`, [i]);
  cache.clear();
  assert.ok((ring.usedBytes ?? 0) > 0.9 * ring.buffer.byteLength);
});
