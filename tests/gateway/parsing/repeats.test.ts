/** Repeats are those that a Map of the ids finds, whatever their fingerprints are. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { candidatesMax } from "../../../gateway/options.ts";
import { repeatsIn } from "../../../gateway/parsing/repeats.ts";
import { fingerprintOf } from "../../../structures/fingerprint.ts";

const sent = (ids: readonly string[]) => ids.map((id) => ({ id }));

Deno.test("each id that was sent before is found, with the first place where it was", () => {
  const id = fc.oneof(fc.nat(40).map((n) => `item-${n}`), fc.string({ unit: "binary" }));
  fc.assert(fc.property(fc.array(id, { maxLength: 60 }), (ids) => {
    const repeats = ids.flatMap((id, place) => {
      const earlier = ids.indexOf(id);
      return earlier < place ? [{ place, earlier }] : [];
    });
    assert.deepEqual(repeatsIn(sent(ids)), repeats);
  }));
});

Deno.test("as many candidates as a request may have", () => {
  const ids = Array.from({ length: candidatesMax }, (_, i) => `i${i * 7919}`);
  assert.deepEqual(repeatsIn(sent(ids)), []);
  ids[candidatesMax - 1] = ids[0];
  assert.deepEqual(repeatsIn(sent(ids)), [{ place: candidatesMax - 1, earlier: 0 }]);
  assert.deepEqual(repeatsIn(sent(ids.slice(1))), [], "nothing is left of the request before");
});

Deno.test("different ids of one fingerprint are no repeats", () => {
  const [one, other] = sameFingerprint();
  assert.deepEqual(repeatsIn(sent([one, "a", other])), []);
  assert.deepEqual(repeatsIn(sent([one, other, one])), [{ place: 2, earlier: 0 }]);
});

/** Two ids whose fingerprints have the same low word: among 200,000 there are some. */
function sameFingerprint(): [string, string] {
  const byLow = new Map<number, string>();
  for (let i = 0;; i++) {
    const id = `i${i}`;
    const { low } = fingerprintOf(id);
    const found = byLow.get(low);
    if (found !== undefined) return [found, id];
    byLow.set(low, id);
  }
}
