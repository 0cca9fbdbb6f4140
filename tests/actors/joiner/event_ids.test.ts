import assert from "node:assert/strict";
import fc from "fast-check";
import { EventIds } from "../../../actors/joiner/event_ids.ts";

Deno.test("an id is added once, and the bytes are at most twice those of the ids", () => {
  fc.assert(fc.property(fc.array(fc.string({ maxLength: 3 }), { maxLength: 200 }), (ids) => {
    const added = new EventIds();
    const model = new Set<string>();
    for (const id of ids) {
      assert.equal(added.has(id), model.has(id));
      assert.equal(added.add(id), !model.has(id));
      model.add(id);
      assert.equal(added.size, model.size);
      assert.ok(added.bytes >= 8 * added.size && added.bytes <= Math.max(32, 16 * added.size));
    }
  }));
});
