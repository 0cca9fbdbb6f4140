import assert from "node:assert/strict";
import { fnv1a } from "../../structures/fnv1a.ts";

Deno.test("FNV-1a gives the published values for ASCII texts", () => {
  for (
    const [text, hash] of [["", 0x811c9dc5], ["a", 0xe40c292c], ["foobar", 0xbf9cf968]] as const
  ) {
    assert.equal(fnv1a(text) >>> 0, hash);
  }
});

Deno.test("hashing goes on from the state of an earlier text", () => {
  assert.equal(fnv1a("bar", fnv1a("foo")), fnv1a("foobar"));
});
