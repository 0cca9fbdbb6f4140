/**
 * The columnar form in which features travel: from the extractor to the ranker, into the impression that logs
 * what was served, and through the joiner to the trainer. The same arrays serve and train, so there is no skew.
 */
import type { FeatureIds } from "../embedding/options.ts";

/** Rows of features, in columns. */
export interface FeatureBatch {
  readonly rows: number;
  /** Ids of all lists one after another, row-major by (row, slot). Shape `[nnz]`. */
  readonly ids: FeatureIds;
  /** List (row, slot) is `ids[offsets[row·slots + slot] .. offsets[row·slots + slot + 1]]`; empty = absent. Shape `[rows·slots + 1]`. */
  readonly listOffsets: Uint32Array<ArrayBuffer>;
  /** Dense values. Shape `[rows, denseWidth]`, row-major. */
  readonly dense: Float32Array<ArrayBuffer>;
}

/** How large a batch is. */
export interface FeatureBatchShape {
  readonly rows: number;
  readonly ids: number;
  readonly slots: number;
  readonly denseWidth: number;
}

/**
 * A batch of zeros. Its arrays share one buffer: a message to another thread carries one instead of three, and so does
 * the garbage collector, whose pauses grow with the number of buffers rather than with their bytes.
 */
export function allocateFeatureBatch(
  { rows, ids, slots, denseWidth }: FeatureBatchShape,
): FeatureBatch {
  const offsets = rows * slots + 1;
  const buffer = new ArrayBuffer(8 * ids + 4 * (offsets + rows * denseWidth));
  return {
    rows,
    ids: new BigUint64Array(buffer, 0, ids),
    listOffsets: new Uint32Array(buffer, 8 * ids, offsets),
    dense: new Float32Array(buffer, 8 * ids + 4 * offsets, rows * denseWidth),
  };
}
