/** What goes into the event log comes out of it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeEvent,
  encodeEvent,
  packItems,
  unpackItems,
} from "../../../actors/joiner/protocol.ts";
import { impression } from "./records.ts";

const ids = fc.array(fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme", size: "large" }),
  fc.string({ unit: "binary" }),
));

Deno.test("items of any text come back in their order", () => {
  fc.assert(
    fc.property(ids, (items) => {
      assert.deepEqual(unpackItems(packItems(items)), items);
    }),
    { examples: [[["\ufeffa", "a", ""]]] },
  );
});

Deno.test("an impression is read from the log as it was written", () => {
  fc.assert(fc.property(ids, (items) => {
    const record = impression({ ranking: "r", items, atMs: 7 });
    const read = decodeEvent(encodeEvent(record));
    assert.deepEqual(read, record);
    assert.ok(read.kind === "impression");
    assert.deepEqual(unpackItems(read), items);
  }));
});
