/**
 * Orders the rows of a request by score, and picks the features of the shown ones.
 */
import { allocateFeatureBatch, type FeatureBatch } from "../../kernels/features/feature_batch.ts";

/** The picked rows of a batch, in the order of `picked`. */
export function pickRows(
  batch: FeatureBatch,
  picked: ArrayLike<number> & Iterable<number>,
  slots: number,
  denseWidth: number,
): FeatureBatch {
  let idCount = 0;
  for (const row of picked) {
    idCount += batch.listOffsets[(row + 1) * slots] - batch.listOffsets[row * slots];
  }
  const rows = picked.length;
  const shown = allocateFeatureBatch({ rows, ids: idCount, slots, denseWidth });
  const { ids, listOffsets, dense } = shown;
  const from = new Uint32Array(batch.ids.buffer, batch.ids.byteOffset, 2 * batch.ids.length);
  const to = new Uint32Array(ids.buffer, 0, 2 * idCount);
  let id = 0;
  let list = 1;
  let denseAt = 0;
  for (const row of picked) {
    const first = batch.listOffsets[row * slots];
    const end = batch.listOffsets[(row + 1) * slots];
    for (let slot = 1; slot <= slots; slot++) {
      listOffsets[list++] = batch.listOffsets[row * slots + slot] - first + id;
    }
    for (let word = 2 * first; word < 2 * end; word++) to[2 * (id - first) + word] = from[word];
    for (let i = row * denseWidth; i < (row + 1) * denseWidth; i++) {
      dense[denseAt++] = batch.dense[i];
    }
    id += end - first;
  }
  return shown;
}

/** Bound of the candidates of a request: a row's index fits into the low bits of a sort key. */
const ROWS_MAX = 2 ** 20;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);
let keyMemory = new Float64Array(0);

/**
 * Row indices by score, best first; equal scores keep the caller's order, and NaN comes last.
 *
 * Packs (rank of the score, row) into one float64, so that a numeric sort without a comparator
 * gives a stable order.
 *
 * @throws {RangeError} Beyond 2^20 rows.
 */
export function orderByScore(scores: Float32Array): Uint32Array {
  const rows = scores.length;
  if (rows > ROWS_MAX) throw new RangeError(`Cannot order more than ${ROWS_MAX} rows`);
  if (keyMemory.length < rows) keyMemory = new Float64Array(2 * rows);
  const keys = keyMemory.subarray(0, rows);
  for (let row = 0; row < rows; row++) {
    float[0] = scores[row] + 0; // -0 is 0
    // As integers, the bits of positive floats ascend with the value; those of negatives descend.
    const descending = bits[0] >>> 31 === 1 ? bits[0] : 0x7fff_ffff - bits[0];
    const rank = Number.isNaN(scores[row]) ? 2 ** 32 : descending;
    keys[row] = rank * ROWS_MAX + row;
  }
  keys.sort();
  const order = new Uint32Array(rows);
  for (let i = 0; i < rows; i++) order[i] = keys[i] % ROWS_MAX;
  return order;
}
