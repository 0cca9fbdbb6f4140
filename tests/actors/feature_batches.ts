/**
 * Feature batches for properties, and their contents as plain lists.
 */
import fc from "fast-check";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";

export const SLOTS = 2;

/** The ids of each (row, slot) and the dense values, as plain lists. */
export function contents({ rows, ids, listOffsets, dense }: FeatureBatch) {
  return Array.from({ length: rows }, (_, row) => ({
    slots: Array.from({ length: SLOTS }, (_, slot) => {
      const list = row * SLOTS + slot;
      return Array.from(ids.subarray(listOffsets[list], listOffsets[list + 1]), Number);
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
    const lists = rows.flat();
    const listOffsets = new Uint32Array(lists.length + 1);
    lists.forEach((ids, i) => listOffsets[i + 1] = listOffsets[i] + ids.length);
    return {
      rows: rows.length,
      ids: BigUint64Array.from(lists.flat(), BigInt),
      listOffsets,
      dense: Float32Array.from(rows, (_, row) => row + rows.length * 10),
    };
  })
);
