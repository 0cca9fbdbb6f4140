/**
 * The features of a logged impression as a batch, so that a scorer can explain its rows.
 */
import { allocateFeatureBatch, type FeatureBatch } from "../kernels/features/feature_batch.ts";
import type { RowColumns } from "../kernels/features/schema_fingerprint.ts";
import { NumberMemory } from "../structures/number_memory.ts";
import { areRowsOf } from "./impression_rows.ts";
import { ImpressionRowsReader } from "./impression_rows_reader.ts";

export type { RowColumns };

/** Features as they were served. */
export type LoggedFeatureBatch = FeatureBatch;

const reader = new ImpressionRowsReader();

/**
 * The first rows of an impression.
 *
 * @param shown The bytes laid out in impression_rows.ts.
 * @returns Undefined for rows of another schema, or damaged ones.
 */
export function loggedFeatures(
  shown: Uint8Array,
  columns: RowColumns,
  rowsMax: number,
): LoggedFeatureBatch | undefined {
  if (!areRowsOf(columns, shown)) return undefined;
  const { slots, denseWidth } = columns;
  const rows = Math.min(rowsMax, reader.open(NumberMemory.copyOf(shown)).rows);
  const { ids, listOffsets, dense } = reader.features();
  const idCount = listOffsets[rows * slots];
  const batch = allocateFeatureBatch({ rows, ids: idCount, slots, denseWidth });
  for (let id = 0; id < idCount; id++) {
    batch.ids[id] = BigInt(ids[2 * id]) | BigInt(ids[2 * id + 1]) << 32n;
  }
  batch.listOffsets.set(listOffsets.subarray(0, rows * slots + 1));
  new Uint32Array(batch.dense.buffer, batch.dense.byteOffset, rows * denseWidth)
    .set(dense.subarray(0, rows * denseWidth));
  return batch;
}

/** Ids and scores of the items of an impression, in the order shown. */
export function itemsWithScores(
  shown: Uint8Array,
): { readonly id: string; readonly score: number }[] {
  const rows = reader.open(NumberMemory.copyOf(shown));
  return rows.items().map((id, row) => ({ id, score: rows.prediction(row) }));
}
