import assert from "node:assert/strict";
import fc from "fast-check";
import { editDistance } from "../../structures/edit_distance.ts";

Deno.test("a swap of neighbours counts once, as every other single change does", () => {
  assert.equal(editDistance("ab", "ba"), 1);
  assert.equal(editDistance("linger", "linge"), 1);
  assert.equal(editDistance("linger", "lingers"), 1);
  assert.equal(editDistance("linger", "longer"), 1);
  assert.equal(editDistance("", "abc"), 3);
});

Deno.test("a distance is symmetric, zero for equal texts alone, and at most the longer length", () => {
  const text = fc.string({ maxLength: 8 });
  fc.assert(fc.property(text, text, (a, b) => {
    const distance = editDistance(a, b);
    assert.equal(distance, editDistance(b, a));
    assert.equal(distance === 0, a === b);
    assert.ok(distance <= Math.max(a.length, b.length));
    assert.ok(distance >= Math.abs(a.length - b.length));
  }));
});
