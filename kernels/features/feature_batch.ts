/**
 * The columnar form in which features travel: from the extractor to the ranker, into the impression that logs
 * what was served, and through the joiner to the trainer. The same arrays serve and train, so there is no skew.
 */
import type { FeatureIds } from "../embedding/options.ts";

/** Rows of features, in columns. */
export interface FeatureBatch {
  readonly rows: number;
  /** Ids of all segments one after another, row-major by (row, slot). Shape `[nnz]`. */
  readonly ids: FeatureIds;
  /** Segment (row, slot) is `ids[offsets[row·slots + slot] .. offsets[row·slots + slot + 1]]`; empty = absent. Shape `[rows·slots + 1]`. */
  readonly segmentOffsets: Uint32Array<ArrayBuffer>;
  /** Dense values. Shape `[rows, denseWidth]`, row-major. */
  readonly dense: Float32Array<ArrayBuffer>;
}
