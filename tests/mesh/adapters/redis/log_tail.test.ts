import assert from "node:assert/strict";
import fc from "fast-check";
import { LogTail } from "../../../../mesh/adapters/redis/log_tail.ts";

const records = (from: number, count: number, bytes = 1) =>
  Array.from({ length: count }, (_, i) => ({
    offset: from + i,
    bytes: new Uint8Array(bytes).fill(from + i),
  }));
const offsets = (found: readonly { offset: number }[] | undefined) =>
  found?.map(({ offset }) => offset);

Deno.test("a tail has no records before the first ones", () => {
  const tail = new LogTail({ recordsMax: 4, bytesMax: 100 });
  assert.equal(tail.read(0, 10), undefined);
  tail.add(records(5, 2));
  assert.equal(tail.read(4, 10), undefined, "an earlier one may be in the log");
  assert.deepEqual(offsets(tail.read(5, 10)), [5, 6]);
  assert.deepEqual(offsets(tail.read(6, 10)), [6]);
  assert.deepEqual(offsets(tail.read(7, 10)), [], "it ends there");
  assert.equal(tail.read(8, 10), undefined, "later ones may be in the log");
  assert.deepEqual(offsets(tail.read(5, 1)), [5]);
});

Deno.test("records that were read are the reader's own", () => {
  const tail = new LogTail({ recordsMax: 4, bytesMax: 100 });
  tail.add(records(7, 1));
  tail.read(7, 1)?.[0].bytes.fill(0);
  assert.deepEqual(tail.read(7, 1)?.[0].bytes, new Uint8Array([7]));
});

Deno.test("a record that is larger than the whole tail leaves it empty", () => {
  const tail = new LogTail({ recordsMax: 4, bytesMax: 10 });
  tail.add(records(0, 2));
  tail.add(records(2, 1, 11));
  assert.equal(tail.endOffset, undefined);
  assert.equal(tail.read(2, 1), undefined, "its reader reads the log");
});

Deno.test("whatever is added, a tail has the newest records without gaps, within its bounds", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ gap: fc.integer({ min: 0, max: 2 }), count: fc.nat(6) }), {
      maxLength: 20,
    }),
    fc.integer({ min: 1, max: 8 }),
    fc.integer({ min: 1, max: 40 }),
    (steps, recordsMax, bytesMax) => {
      const tail = new LogTail({ recordsMax, bytesMax });
      let next = 0;
      for (const { gap, count } of steps) {
        if (count > 0) next += gap;
        tail.add(records(next, count, 5));
        next += count;
        const held = [...Array(next + 1).keys()].filter((from) => tail.read(from, 1)?.length === 1);
        assert.ok(held.length <= recordsMax && held.length * 5 <= bytesMax);
        held.forEach((offset, i) => assert.equal(offset, next - held.length + i));
        assert.equal(tail.endOffset, held.length === 0 ? undefined : next);
      }
    },
  ));
});
