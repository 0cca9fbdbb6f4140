/** Repeated ids, compared with a search by index and with ids whose fingerprints collide. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CANDIDATES_MAX } from "../../../gateway/options.ts";
import { repeatsIn } from "../../../gateway/parsing/repeated_ids.ts";
import { fingerprintOf } from "../../../structures/fingerprint.ts";

const sent = (ids: readonly string[]) => ids.map((id) => ({ id }));

Deno.test("each repeated id is found, with the index of its first occurrence", () => {
  const id = fc.oneof(fc.nat(40).map((n) => `item-${n}`), fc.string({ unit: "binary" }));
  fc.assert(fc.property(fc.array(id, { maxLength: 60 }), (ids) => {
    const repeats = ids.flatMap((id, index) => {
      const firstIndex = ids.indexOf(id);
      return firstIndex < index ? [{ index, firstIndex }] : [];
    });
    assert.deepEqual(repeatsIn(sent(ids)), repeats);
  }));
});

Deno.test("the largest request is searched, and leaves nothing behind for the next one", () => {
  const ids = Array.from({ length: CANDIDATES_MAX }, (_, i) => `i${i * 7919}`);
  assert.deepEqual(repeatsIn(sent(ids)), []);
  ids[CANDIDATES_MAX - 1] = ids[0];
  assert.deepEqual(repeatsIn(sent(ids)), [{ index: CANDIDATES_MAX - 1, firstIndex: 0 }]);
  assert.deepEqual(repeatsIn(sent(ids.slice(1))), [], "nothing is left of the request before");
});

Deno.test("different ids with the same fingerprint are not repeats", () => {
  const [one, other] = sameFingerprint();
  assert.deepEqual(repeatsIn(sent([one, "a", other])), []);
  assert.deepEqual(repeatsIn(sent([one, other, one])), [{ index: 2, firstIndex: 0 }]);
});

/** Two ids whose fingerprints have the same low word; 200,000 ids have a few such pairs. */
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
