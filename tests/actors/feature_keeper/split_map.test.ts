import assert from "node:assert/strict";
import fc from "fast-check";
import { partOf, SplitMap } from "../../../actors/feature_keeper/split_map.ts";

Deno.test("a split map holds what a map does after any changes", () => {
  const change = fc.record({ key: fc.string({ maxLength: 3 }), adds: fc.boolean() });
  fc.assert(fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
    const [split, plain] = [new SplitMap<number>(), new Map<string, number>()];
    changes.forEach(({ key, adds }, i) => {
      if (!adds) {
        split.delete(key);
        plain.delete(key);
      } else if (!plain.has(key)) {
        split.add(key, i);
        plain.set(key, i);
      }
      assert.equal(split.size, plain.size);
    });
    for (const { key } of changes) assert.equal(split.get(key), plain.get(key));
  }));
});

Deno.test("no part gets many of the keys that a keeper makes of ids", () => {
  const forms: Readonly<Record<string, (i: number) => string>> = {
    "numbered items": (i) => `item-${i}`,
    "long numbers": (i) => String(100_000_000 + 7 * i),
    "awaited rankings": (i) => `ranking-${i}\0awaited`,
    "awaited rankings with ids": () => `${crypto.randomUUID()}\0awaited`,
    "shown items": (i) => `ranking-${i}\0shown\0item-${i % 100}`,
  };
  for (const [form, keyOf] of Object.entries(forms)) {
    const keys = new Map<number, number>();
    for (let i = 0; i < 25_600; i++) {
      const part = partOf(keyOf(i));
      keys.set(part, (keys.get(part) ?? 0) + 1);
    }
    const most = Math.max(...keys.values());
    assert.ok(most < 400, `${most} of 25,600 keys in one part: ${form}`);
  }
});
