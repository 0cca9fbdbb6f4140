import assert from "node:assert/strict";
import fc from "fast-check";
import { holdsBytes } from "../../structures/byte_search.ts";

const bytesOf = (values: readonly number[]) => Uint8Array.from(values);

Deno.test("bytes hold each of their parts and nothing that their text does not have", () => {
  const fewValues = fc.array(fc.nat(2), { maxLength: 12 });
  fc.assert(
    fc.property(fewValues, fc.array(fc.nat(2), { minLength: 1, maxLength: 4 }), (all, wanted) => {
      assert.equal(
        holdsBytes(bytesOf(all), bytesOf(wanted)),
        all.join("").includes(wanted.join("")),
      );
    }),
  );
});

Deno.test("a part that begins at the end of the bytes and is longer is not held", () => {
  assert.equal(holdsBytes(bytesOf([1, 2]), bytesOf([2, 0])), false);
  assert.equal(holdsBytes(bytesOf([]), bytesOf([1])), false);
});
