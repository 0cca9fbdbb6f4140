import assert from "node:assert/strict";
import fc from "fast-check";
import { decodePart, encodePart } from "../../records/snapshot_parts.ts";

const float = fc.float({ noNaN: true });
const leaf = fc.oneof(
  fc.integer(),
  fc.string(),
  fc.boolean(),
  fc.uint8Array({ maxLength: 8 }),
  fc.array(float, { maxLength: 4 }).map((values) => Float32Array.from(values)),
);
const key = fc.constantFrom("a", "b", "c", "d");
const { part } = fc.letrec((tie) => ({
  part: fc.dictionary(
    key,
    fc.oneof({ depthSize: "small" }, leaf, fc.array(leaf, { maxLength: 3 }), tie("part")),
    { noNullPrototype: true },
  ),
}));

Deno.test("a part of a snapshot is read as it was written", () => {
  fc.assert(fc.property(part, (value) => assert.deepEqual(decodePart(encodePart(value)), value)));
});

Deno.test("a field of a part that is undefined is absent when it is read", () => {
  const written = { present: 1, absent: undefined, inside: { absent: undefined } };
  assert.deepEqual(decodePart(encodePart(written)), { present: 1, inside: {} });
});

Deno.test("a part with many names of one length takes no place of the keys of records", (t) => {
  const part = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`weight${100 + i}`, i]));
  const random = Math.random;
  Math.random = () => assert.fail(`${t.name}: a key was replaced at random`);
  try {
    assert.deepEqual(decodePart(encodePart(part)), part);
  } finally {
    Math.random = random;
  }
});
