import assert from "node:assert/strict";
import {
  decodeRecords,
  encodeBlock,
  isIntact,
} from "../../../../mesh/adapters/embedded/segment_block.ts";

Deno.test("a block is the same wherever it is made", () => {
  const records = [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(4)];
  const fresh = encodeBlock({ firstOffset: 7, durableOffset: 5, records });
  const room = new Uint8Array(1_000).fill(0xff);
  const made = encodeBlock({ firstOffset: 7, durableOffset: 5, records }, room);
  assert.equal(made.buffer, room.buffer);
  assert.deepEqual(made, fresh);
  assert.ok(isIntact(made));
  const small = encodeBlock(
    { firstOffset: 7, durableOffset: 5, records },
    new Uint8Array(fresh.byteLength - 1),
  );
  assert.deepEqual(small, fresh);
  assert.deepEqual(decodeRecords(made, 8, 9).map(({ offset, bytes }) => [offset, [...bytes]]), [
    [8, []],
    [9, [4]],
  ]);
});
