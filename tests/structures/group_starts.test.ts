import assert from "node:assert/strict";
import fc from "fast-check";
import { divides } from "../../structures/group_starts.ts";

Deno.test("starts divide an array if they are the running sums of its groups' lengths", () => {
  fc.assert(fc.property(fc.array(fc.nat(3), { maxLength: 5 }), (lengths) => {
    const starts = Uint32Array.from([0, ...lengths]);
    lengths.forEach((_, group) => starts[group + 1] += starts[group]);
    const length = starts[lengths.length];
    assert.ok(divides(starts, lengths.length, length));
    assert.ok(!divides(starts, lengths.length + 1, length));
    assert.ok(!divides(starts, lengths.length, length + 1));
  }));
});

Deno.test("starts that go back or do not begin at 0 divide nothing", () => {
  assert.ok(!divides(Uint32Array.of(0, 3, 2, 4), 3, 4));
  assert.ok(!divides(Uint32Array.of(0, 5, 4), 2, 4));
  assert.ok(!divides(Uint32Array.of(1, 4), 1, 4));
  assert.ok(!divides(new Uint32Array(0), 0, 0));
});
