/**
 * The ring against a model: a map from position to the words that the owner wrote, kept up by what
 * the ring tells.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { InvariantError } from "../../structures/invariant.ts";
import { RecordRing } from "../../structures/record_ring.ts";

const RING_WORDS = 320;

Deno.test("a record holds its words until the ring says that it moved or is gone", () => {
  const step = fc.record({
    size: fc.integer({ min: 2, max: RING_WORDS / 16 }),
    use: fc.nat(),
    remove: fc.option(fc.nat(), { freq: 4 }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const held = new Map<number, number[]>();
    const ring = new RecordRing(RING_WORDS, {
      evicted: (position) => assert.ok(held.delete(position)),
      moved: (from, to) => {
        const words = held.get(from);
        assert.ok(words !== undefined);
        held.delete(from);
        held.set(to, words);
      },
    });
    const any = (n: number) => [...held.keys()][n % held.size];
    steps.forEach(({ size, use, remove }, step) => {
      const position = ring.append(size);
      assert.ok(position > 0 && !held.has(position));
      const words = Array.from({ length: size - 1 }, (_, i) => 1_000 * step + i);
      ring.words.set(words, position + 1);
      held.set(position, words);
      ring.markUsed(any(use));
      if (remove !== null) {
        const gone = any(remove);
        ring.remove(gone);
        held.delete(gone);
      }
      for (const [at, expected] of held) {
        assert.deepEqual([...ring.words.subarray(at + 1, at + 1 + expected.length)], expected);
      }
    });
  }));
});

Deno.test("a record that was used outlives those that were not", () => {
  const evicted: number[] = [];
  let used = 0;
  const ring = new RecordRing(65, {
    evicted: (position) => void evicted.push(position),
    moved: (from, to) => {
      assert.equal(from, used);
      used = to;
    },
  });
  const positions = Array.from({ length: 16 }, () => ring.append(4));
  ring.markUsed(used = positions[0]);
  ring.append(4);
  assert.deepEqual(evicted, [positions[1]]);
});

Deno.test("an empty ring has nothing to drop", () => {
  const ring = new RecordRing(64, { evicted: () => {}, moved: () => {} });
  assert.throws(() => ring.dropOldest(), InvariantError);
});
