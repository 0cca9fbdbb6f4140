/**
 * Requests that wait are scored in one forward pass: their feature batches become one, and each keeps its rows.
 */
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";

/** One batch after the other; row numbers of batch i begin at the sum of rows before it. */
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
  const ids = new BigUint64Array(idCount);
  const segmentOffsets = new Uint32Array(rows * slots + 1);
  const dense = new Float32Array(rows * denseWidth);
  let row = 0;
  let id = 0;
  for (const batch of batches) {
    ids.set(batch.ids, id);
    dense.set(batch.dense, row * denseWidth);
    for (let segment = 1; segment <= batch.rows * slots; segment++) {
      segmentOffsets[row * slots + segment] = batch.segmentOffsets[segment] + id;
    }
    row += batch.rows;
    id += batch.ids.length;
  }
  return { rows, ids, segmentOffsets, dense };
}

/** Some rows of a batch, in the order given. */
export function pickRows(
  batch: FeatureBatch,
  picked: readonly number[],
  slots: number,
  denseWidth: number,
): FeatureBatch {
  const segmentOffsets = new Uint32Array(picked.length * slots + 1);
  let idCount = 0;
  for (const row of picked) {
    idCount += batch.segmentOffsets[(row + 1) * slots] - batch.segmentOffsets[row * slots];
  }
  const ids = new BigUint64Array(idCount);
  const dense = new Float32Array(picked.length * denseWidth);
  let id = 0;
  picked.forEach((row, i) => {
    const from = batch.segmentOffsets[row * slots];
    const to = batch.segmentOffsets[(row + 1) * slots];
    ids.set(batch.ids.subarray(from, to), id);
    for (let slot = 1; slot <= slots; slot++) {
      segmentOffsets[i * slots + slot] = batch.segmentOffsets[row * slots + slot] - from + id;
    }
    dense.set(batch.dense.subarray(row * denseWidth, (row + 1) * denseWidth), i * denseWidth);
    id += to - from;
  });
  return { rows: picked.length, ids, segmentOffsets, dense };
}

/** Row numbers of scores, best first; equal scores keep the caller's order, and a score that is no number comes last. */
export function orderByScore(scores: Float32Array): number[] {
  const key = (row: number) => Number.isNaN(scores[row]) ? -Infinity : scores[row];
  return Array.from(scores, (_, row) => row).sort((a, b) => key(b) - key(a) || a - b);
}
