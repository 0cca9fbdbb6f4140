/**
 * Memory that the serving tables need to hold every row of full training tables.
 *
 * Training and serving index the same ids in the same structure, so the served bytes follow from
 * the sizes of rows alone:
 *
 *     served = trained · max over classes of (served row + index) / (trained row + index)
 *
 * The index takes at most 20 bytes per row on both sides, and a served row is never larger than a
 * trained one, so taking the whole 20 bytes overestimates the quotient.
 *
 * @see docs/adr/0008-keep-rows-in-dense-pages-behind-a-small-index.md
 */
import type { SliceOptions, SparseOptimizerOptions } from "../kernels/embedding/options.ts";
import type { CairnFile } from "./schema.ts";
import { rowClassesOf } from "./row_classes.ts";

const ID_BYTES = 8;
const STAMP_BYTES = 4;
const FLOAT_BYTES = 4;
const INDEX_BYTES = 20;
/** Largest update counter of a row, where the least frequently updated rows are evicted. */
const COUNTER_BYTES = 1;
const MEBIBYTE = 2 ** 20;

type Row = readonly Pick<SliceOptions, "dim" | "optimizer">[];
type Precision = CairnFile["embeddings"]["serving"]["precision"];

/** Bytes of one row of a training table: id, time stamp, weights and optimizer state. */
export function trainedRowBytes(row: Row): number {
  const floats = row.reduce(
    (sum, { dim, optimizer }) => sum + dim + stateFloats(optimizer, dim),
    0,
  );
  return ID_BYTES + STAMP_BYTES + FLOAT_BYTES * floats;
}

/** Bytes of one row of a serving table: id and weights, in whole words. */
export function servedRowBytes(row: Row, precision: Precision): number {
  const width = row.reduce((sum, { dim }) => sum + dim, 0);
  const weights = { fp32: 4 * width, fp16: 2 * width, int8: FLOAT_BYTES + width }[precision];
  return Math.ceil((ID_BYTES + weights) / FLOAT_BYTES) * FLOAT_BYTES;
}

/**
 * Bytes of serving tables per byte of the training tables whose rows they hold; 0 without rows.
 */
export function servedShareOf(
  file: Pick<CairnFile, "features" | "model" | "embeddings">,
): number {
  const { embeddings } = file;
  const counter = embeddings.atLimit === "evictLeastFrequentlyUsed" ? COUNTER_BYTES : 0;
  return Math.max(
    0,
    ...rowClassesOf(file).map(({ slices }) =>
      (servedRowBytes(slices, embeddings.serving.precision) + INDEX_BYTES) /
      (trainedRowBytes(slices) + counter + INDEX_BYTES)
    ),
  );
}

/**
 * Bytes of all serving tables that hold as many rows as fit into the training tables, in whole MiB
 * per shard.
 */
export function servingBytesNeeded(
  file: Pick<CairnFile, "features" | "model" | "embeddings" | "shards">,
): number {
  const { embeddings, shards } = file;
  const classes = rowClassesOf(file).length;
  const share = servedShareOf(file);
  return shards.count * servingBytesPerShard(embeddings.bytesMax / shards.count, share, classes);
}

/** Bytes of the serving tables of one shard, in whole MiB and at least one for each class. */
export function servingBytesPerShard(
  trainingBytes: number,
  servedShare: number,
  classes: number,
): number {
  return MEBIBYTE * Math.max(1, classes, Math.ceil(trainingBytes * servedShare / MEBIBYTE));
}

/** Floats of optimizer state behind `dim` weights, as in the kernel's `Optimizer::state_floats`. */
function stateFloats(optimizer: SparseOptimizerOptions, dim: number): number {
  switch (optimizer.kind) {
    case "sgd":
      return 0;
    case "momentum":
    case "adagrad":
    case "rmsprop":
      return dim;
    case "rowwiseAdagrad":
    case "groupAdagrad":
      return 1;
    case "adadelta":
    case "ftrl":
      return 2 * dim;
    case "adam":
      return (optimizer.amsgrad ? 3 : 2) * dim + 2;
    default:
      return optimizer satisfies never;
  }
}
