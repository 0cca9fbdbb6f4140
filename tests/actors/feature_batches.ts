/**
 * Feature batches for properties, and what they hold as plain lists.
 */
import fc from "fast-check";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";

export const SLOTS = 2;

/** The ids of each (row, slot) and the dense values, as plain lists. */
export function contents({ rows, ids, segmentOffsets, dense }: FeatureBatch) {
  return Array.from({ length: rows }, (_, row) => ({
    slots: Array.from({ length: SLOTS }, (_, slot) => {
      const segment = row * SLOTS + slot;
      return Array.from(ids.subarray(segmentOffsets[segment], segmentOffsets[segment + 1]), Number);
    }),
    dense: dense[row],
  }));
}

export const batches = fc.array(
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
