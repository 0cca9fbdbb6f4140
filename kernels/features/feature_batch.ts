/**
 * Features in columns. The extractor makes them, the scorer scores them, and the ranker logs them
 * with the impression. The joiner copies the logged features into examples, so the trainer reads
 * the values that were served.
 */
import type { BufferPool } from "../../structures/buffer_pool.ts";
import type { FeatureIds } from "../embedding/options.ts";

/** Rows of features, in columns. */
export interface FeatureBatch {
  readonly rows: number;
  /** Ids of all lists, row-major by (row, slot). Shape `[ids]`. */
  readonly ids: FeatureIds;
  /**
   * List l = row · slots + slot is `ids[listOffsets[l] .. listOffsets[l + 1]]`; empty = absent.
   * Shape `[rows · slots + 1]`.
   */
  readonly listOffsets: Uint32Array<ArrayBuffer>;
  /** Dense values. Shape `[rows, denseWidth]`, row-major. */
  readonly dense: Float32Array<ArrayBuffer>;
}

/** Columns of a row's features, as the schema has them. */
export interface RowShape {
  readonly slots: number;
  readonly denseWidth: number;
}

/** Columns of a labelled example. */
export interface ExampleShape extends RowShape {
  readonly tasks: number;
}

/** Size of a batch. */
export interface FeatureBatchShape extends RowShape {
  readonly rows: number;
  /** Number of ids of all lists together. */
  readonly ids: number;
}

/**
 * A batch of zeros. Its arrays share one buffer: a message to another thread transfers one buffer
 * instead of three, and garbage collection pauses grow with the number of buffers.
 */
export function allocateFeatureBatch(shape: FeatureBatchShape): FeatureBatch {
  return batchIn(new ArrayBuffer(bytesOf(shape)), shape);
}

/** A batch of arbitrary values, in memory of a pool; {@link FeatureBatch.ids} gives it back. */
export function takeFeatureBatch(shape: FeatureBatchShape, pool: BufferPool): FeatureBatch {
  return batchIn(pool.buffer(bytesOf(shape)), shape);
}

function bytesOf({ rows, ids, slots, denseWidth }: FeatureBatchShape): number {
  return 8 * ids + 4 * (rows * slots + 1 + rows * denseWidth);
}

/** A batch in memory of its size or more, with whatever numbers are there. */
function batchIn(
  buffer: ArrayBuffer,
  { rows, ids, slots, denseWidth }: FeatureBatchShape,
): FeatureBatch {
  const offsets = rows * slots + 1;
  return {
    rows,
    ids: new BigUint64Array(buffer, 0, ids),
    listOffsets: new Uint32Array(buffer, 8 * ids, offsets),
    dense: new Float32Array(buffer, 8 * ids + 4 * offsets, rows * denseWidth),
  };
}

/** Concatenates the batches of several requests, so that one forward pass scores them all. */
export class BatchMerger {
  readonly #shape: RowShape;
  /** Holds the merged batch; reused, because a new one for each pass would be garbage. */
  #memory = new ArrayBuffer(0);

  constructor(shape: RowShape) {
    this.#shape = shape;
  }

  /**
   * The rows of all batches: the first row of batch i is the sum of the rows before it.
   *
   * @returns Valid until the next call. A single batch is returned as it is.
   */
  merge(batches: readonly FeatureBatch[]): FeatureBatch {
    if (batches.length === 1) return batches[0];
    const { slots, denseWidth } = this.#shape;
    let rows = 0;
    let idCount = 0;
    for (const batch of batches) {
      rows += batch.rows;
      idCount += batch.ids.length;
    }
    const shape = { rows, ids: idCount, slots, denseWidth };
    const bytes = bytesOf(shape);
    if (this.#memory.byteLength < bytes) this.#memory = new ArrayBuffer(16 * Math.ceil(bytes / 8));
    const merged = batchIn(this.#memory, shape);
    const { ids, listOffsets, dense } = merged;
    listOffsets[0] = 0;
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
}

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
  const result = allocateFeatureBatch({ rows, ids: idCount, slots, denseWidth });
  const { ids, listOffsets, dense } = result;
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
  return result;
}
