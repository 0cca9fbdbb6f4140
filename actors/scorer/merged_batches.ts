/**
 * Merges the feature batches of several requests, so that one forward pass scores them all.
 */
import { allocateFeatureBatch, type FeatureBatch } from "../../kernels/features/feature_batch.ts";

/** Concatenates batches: the first row of batch i is the sum of the rows before it. */
export function mergeBatches(
  batches: readonly FeatureBatch[],
  slots: number,
  denseWidth: number,
): FeatureBatch {
  if (batches.length === 1) return batches[0];
  let rows = 0;
  let idCount = 0;
  for (const batch of batches) {
    rows += batch.rows;
    idCount += batch.ids.length;
  }
  const merged = allocateFeatureBatch({ rows, ids: idCount, slots, denseWidth });
  const { ids, listOffsets, dense } = merged;
  let row = 0;
  let id = 0;
  for (const batch of batches) {
    ids.set(batch.ids, id);
    dense.set(batch.dense, row * denseWidth);
    for (let list = 1; list <= batch.rows * slots; list++) {
      listOffsets[row * slots + list] = batch.listOffsets[list] + id;
    }
    row += batch.rows;
    id += batch.ids.length;
  }
  return merged;
}
