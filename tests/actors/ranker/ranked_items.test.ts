import assert from "node:assert/strict";
import fc from "fast-check";
import { orderByScore } from "../../../actors/ranker/ranked_items.ts";
import { pickRows } from "../../../kernels/features/feature_batch.ts";
import { batches, contents, SLOTS } from "../feature_batches.ts";

Deno.test("picked rows hold their features in the order picked", () => {
  fc.assert(fc.property(batches, fc.array(fc.nat(), { maxLength: 6 }), ([batch], picks) => {
    const picked = picks.map((pick) => pick % batch.rows);
    const expected = picked.map((row) => contents(batch)[row]);
    assert.deepEqual(contents(pickRows(batch, picked, SLOTS, 1)), expected);
  }));
});

Deno.test("items are ordered best first, ties in the caller's order, NaN last", () => {
  assert.deepEqual(orderByScore(Float32Array.of(0.1, NaN, 0.9, 0.1)), Uint32Array.of(2, 0, 3, 1));
  const special = fc.constantFrom(0, -0, 1, -1, Infinity, -Infinity, NaN, -NaN, Math.fround(1e-45));
  const scores = fc.array(fc.oneof(fc.float(), special), { maxLength: 50 });
  fc.assert(fc.property(scores, (scores) => {
    const numbers = scores.map((_, row) => row).filter((row) => !Number.isNaN(scores[row]));
    const expected = [
      ...numbers.sort((a, b) => scores[a] === scores[b] ? a - b : scores[b] - scores[a]),
      ...scores.map((_, row) => row).filter((row) => Number.isNaN(scores[row])),
    ];
    assert.deepEqual(Array.from(orderByScore(Float32Array.from(scores))), expected);
  }));
});
