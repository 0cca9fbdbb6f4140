import assert from "node:assert/strict";
import fc from "fast-check";
import { mergeBatches, orderByScore, pickRows } from "../../../actors/ranker/merged_requests.ts";
import type { FeatureBatch } from "../../../kernels/features/feature_batch.ts";

const SLOTS = 2;

/** The ids of each (row, slot) and the dense values, as plain lists. */
function contents({ rows, ids, segmentOffsets, dense }: FeatureBatch) {
  return Array.from({ length: rows }, (_, row) => ({
    slots: Array.from({ length: SLOTS }, (_, slot) => {
      const segment = row * SLOTS + slot;
      return Array.from(ids.subarray(segmentOffsets[segment], segmentOffsets[segment + 1]), Number);
    }),
    dense: dense[row],
  }));
}

const batches = fc.array(
  fc.array(fc.array(fc.array(fc.nat(99), { maxLength: 3 }), { minLength: 2, maxLength: 2 }), {
    minLength: 1,
    maxLength: 4,
  }),
  { minLength: 1, maxLength: 4 },
).map((lists) =>
  lists.map((rows): FeatureBatch => {
    const segments = rows.flat();
    const segmentOffsets = new Uint32Array(segments.length + 1);
    segments.forEach((ids, i) => segmentOffsets[i + 1] = segmentOffsets[i] + ids.length);
    return {
      rows: rows.length,
      ids: BigUint64Array.from(segments.flat(), BigInt),
      segmentOffsets,
      dense: Float32Array.from(rows, (_, row) => row + rows.length * 10),
    };
  })
);

Deno.test("merged batches hold every row's features in order", () => {
  fc.assert(fc.property(batches, (all) => {
    assert.deepEqual(contents(mergeBatches(all, SLOTS, 1)), all.flatMap(contents));
  }));
});

Deno.test("picked rows hold their features in the order picked", () => {
  fc.assert(fc.property(batches, fc.array(fc.nat(), { maxLength: 6 }), ([batch], picks) => {
    const picked = picks.map((pick) => pick % batch.rows);
    const expected = picked.map((row) => contents(batch)[row]);
    assert.deepEqual(contents(pickRows(batch, picked, SLOTS, 1)), expected);
  }));
});

Deno.test("items are ordered best first; ties keep the caller's order and no number comes last", () => {
  assert.deepEqual(orderByScore(Float32Array.of(0.1, NaN, 0.9, 0.1)), [2, 0, 3, 1]);
  const special = fc.constantFrom(0, -0, 1, -1, Infinity, -Infinity, NaN, -NaN, 1e-45);
  const scores = fc.array(fc.oneof(fc.float(), special), { maxLength: 50 });
  fc.assert(fc.property(scores, (scores) => {
    const numbers = scores.map((_, row) => row).filter((row) => !Number.isNaN(scores[row]));
    const expected = [
      ...numbers.sort((a, b) => scores[a] === scores[b] ? a - b : scores[b] - scores[a]),
      ...scores.map((_, row) => row).filter((row) => Number.isNaN(scores[row])),
    ];
    assert.deepEqual(orderByScore(Float32Array.from(scores)), expected);
  }));
});
