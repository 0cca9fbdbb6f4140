import assert from "node:assert/strict";
import fc from "fast-check";
import { formatSeed, parseSeed, SEED_END, SeedError } from "../../simulation/seed.ts";

Deno.test("a seed is a decimal or hexadecimal number, or the beginning of a commit's hash", () => {
  assert.equal(parseSeed("7"), 7);
  assert.equal(parseSeed(" 0x7f3a "), 0x7f3a);
  assert.equal(parseSeed("e50d16f0aa11223344556677889900aabbccddee"), 0xe50d16f0aa11);
});

Deno.test("a seed that was printed is read again as the same number", () => {
  fc.assert(fc.property(fc.nat({ max: SEED_END - 1 }), (seed) => {
    assert.equal(parseSeed(formatSeed(seed)), seed);
  }));
});

Deno.test("other texts are refused with the ones that can be written", () => {
  for (const text of ["", "-1", "1.5", "seed", "0x", String(SEED_END), "1e3"]) {
    assert.throws(() => parseSeed(text), SeedError);
  }
});
