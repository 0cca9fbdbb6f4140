import assert from "node:assert/strict";
import fc from "fast-check";
import { EntryOrder, type Ordered } from "../../../actors/feature_keeper/entry_order.ts";
import { SplitMap } from "../../../actors/feature_keeper/split_map.ts";

interface Entry extends Ordered<Entry> {
  readonly key: string;
}

const entryOf = (key: string): Entry => ({ key, before: undefined, after: undefined });

Deno.test("an order and its cursors are those of a Map, whatever is moved meanwhile", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("touch" as const), key: fc.constantFrom(..."abcdefgh") }),
    fc.record({ kind: fc.constant("remove" as const), key: fc.constantFrom(..."abcdefgh") }),
    fc.record({ kind: fc.constant("cursor" as const) }),
    fc.record({ kind: fc.constant("next" as const), cursor: fc.nat(2) }),
    fc.record({ kind: fc.constant("return" as const), cursor: fc.nat(2) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const order = new EntryOrder<Entry>();
    const known = new Map<string, Entry>();
    const expected = new Map<string, string>();
    const cursors: [ReturnType<typeof order.entries>, IterableIterator<string> | undefined][] = [];
    for (const each of steps) {
      if (each.kind === "touch") {
        const entry = known.get(each.key) ?? entryOf(each.key);
        if (known.has(each.key)) order.remove(entry);
        order.append(entry);
        known.set(each.key, entry);
        expected.delete(each.key);
        expected.set(each.key, each.key);
      } else if (each.kind === "remove") {
        const entry = known.get(each.key);
        if (entry !== undefined) order.remove(entry);
        known.delete(each.key);
        expected.delete(each.key);
      } else if (each.kind === "cursor") cursors.push([order.entries(), expected.values()]);
      else if (each.cursor < cursors.length) {
        const [own, other] = cursors[each.cursor];
        if (each.kind === "return") {
          own.return();
          cursors[each.cursor][1] = undefined;
        } else assert.equal(own.next().value?.key, other?.next().value);
      }
      assert.equal(order.first?.key, expected.keys().next().value);
    }
    const walk = order.entries();
    const keys: string[] = [];
    for (let next; (next = walk.next().value) !== undefined;) keys.push(next.key);
    assert.deepEqual(keys, [...expected.keys()]);
  }));
});

Deno.test("a map in parts is a map", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.string({ maxLength: 3 }))), (steps) => {
    const map = new SplitMap<number>();
    const expected = new Map<string, number>();
    steps.forEach(([adds, key], i) => {
      if (!adds) map.delete(key);
      else if (!expected.has(key)) map.add(key, i);
      if (!adds) expected.delete(key);
      else if (!expected.has(key)) expected.set(key, i);
      assert.equal(map.get(key), expected.get(key));
    });
    assert.equal(map.size, expected.size);
  }));
});
