/**
 * All examples of a file in columns, and minibatches of them in any order. Batch training reads
 * them once per epoch, in a new order each time where they have no order of time.
 */
import { mixKey, uniformAt } from "../../kernels/dense/counter_random.ts";
import { numberLists } from "../../kernels/dense/lists.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";

/** A minibatch. */
export interface LabelledBatch {
  readonly features: FeatureBatch;
  /** 0 or 1, or the value itself where a task predicts one; shape `[rows, tasks]`. */
  readonly labels: Float32Array<ArrayBuffer>;
  /** Newest data clock of its rows, ms. */
  readonly atMs: number;
  /** Index of the first row of each row's request. Shape `[rows]`. */
  readonly requests: Float32Array<ArrayBuffer>;
}

export class ExampleTable {
  /**
   * @param labels Shape `[rows, tasks]`.
   * @param atMs Data clock, ms, shape `[rows]`.
   * @param requests Number of each row's request, shape `[rows]`. Default: each is another one.
   */
  constructor(
    readonly features: FeatureBatch,
    readonly labels: Float32Array<ArrayBuffer>,
    readonly atMs: Float64Array<ArrayBuffer>,
    readonly requests: Float64Array<ArrayBuffer> = Float64Array.from(atMs.keys()),
  ) {}

  /** A table of the rows of all parts, concatenated. */
  static joined(parts: readonly ExampleTable[]): ExampleTable {
    const total = (length: (part: ExampleTable) => number) =>
      parts.reduce((sum, part) => sum + length(part), 0);
    const labels = new Float32Array(total((part) => part.labels.length));
    const atMs = new Float64Array(total((part) => part.rows));
    const requests = new Float64Array(atMs.length);
    let [atLabel, atRow] = [0, 0];
    for (const part of parts) {
      labels.set(part.labels, atLabel);
      atMs.set(part.atMs, atRow);
      for (let row = 0; row < part.rows; row++) requests[atRow + row] = atRow + part.requests[row];
      atLabel += part.labels.length;
      atRow += part.rows;
    }
    const features = concatenateBatches(parts.map((part) => part.features));
    return new ExampleTable(features, labels, atMs, requests);
  }

  get rows(): number {
    return this.features.rows;
  }

  /** The table sorted by time; rows of the same time keep their order. */
  byTime(): ExampleTable {
    const { atMs } = this;
    if (atMs.every((at, row) => row === 0 || at >= atMs[row - 1])) return this;
    const order = ascending(this.rows).sort((a, b) => atMs[a] - atMs[b] || a - b);
    const { features, labels, requests } = this.#gather(order);
    const times = Float64Array.from(order, (row) => atMs[row]);
    return new ExampleTable(features, labels, times, Float64Array.from(requests));
  }

  /**
   * A view of the rows from `from` (inclusive) to `to` (exclusive); ids and values are not copied.
   */
  slice(from: number, to: number): ExampleTable {
    const { rows, ids, listOffsets, dense } = this.features;
    const [slots, denseWidth, tasks] = [listOffsets.length - 1, dense.length, this.labels.length]
      .map((length) => length / Math.max(1, rows));
    const [first, last] = [listOffsets[from * slots], listOffsets[to * slots]];
    return new ExampleTable(
      {
        rows: to - from,
        ids: ids.subarray(first, last),
        listOffsets: listOffsets.subarray(from * slots, to * slots + 1)
          .map((offset) => offset - first),
        dense: dense.subarray(from * denseWidth, to * denseWidth),
      },
      this.labels.subarray(from * tasks, to * tasks),
      this.atMs.subarray(from, to),
      this.requests.subarray(from, to),
    );
  }

  /** @param order A permutation of the row numbers. Default: the table's own order. */
  *batches(batchRows: number, order: Uint32Array = ascending(this.rows)): Generator<LabelledBatch> {
    for (let begin = 0; begin < order.length; begin += batchRows) {
      yield this.#gather(order.subarray(begin, begin + batchRows));
    }
  }

  #gather(chosen: Uint32Array): LabelledBatch {
    const { ids, listOffsets, dense } = this.features;
    const rows = chosen.length;
    const slots = (listOffsets.length - 1) / Math.max(1, this.rows);
    const denseWidth = dense.length / Math.max(1, this.rows);
    const tasks = this.labels.length / Math.max(1, this.rows);
    const batch = {
      rows,
      ids: new BigUint64Array(this.#idsOf(chosen, slots)),
      listOffsets: new Uint32Array(rows * slots + 1),
      dense: new Float32Array(rows * denseWidth),
    };
    const labels = new Float32Array(rows * tasks);
    // As 32-bit words, so that no id becomes a BigInt.
    const from = new Uint32Array(ids.buffer, ids.byteOffset, 2 * ids.length);
    const to = new Uint32Array(batch.ids.buffer);
    let atMs = -Infinity;
    let end = 0;
    for (let i = 0; i < rows; i++) {
      const row = chosen[i];
      const first = row * slots;
      const shift = end - listOffsets[first];
      for (let word = 2 * listOffsets[first]; word < 2 * listOffsets[first + slots]; word++) {
        to[word + 2 * shift] = from[word];
      }
      for (let slot = 1; slot <= slots; slot++) {
        batch.listOffsets[i * slots + slot] = listOffsets[first + slot] + shift;
      }
      end = batch.listOffsets[(i + 1) * slots];
      for (let j = 0; j < denseWidth; j++) {
        batch.dense[i * denseWidth + j] = dense[row * denseWidth + j];
      }
      for (let task = 0; task < tasks; task++) {
        labels[i * tasks + task] = this.labels[row * tasks + task];
      }
      atMs = Math.max(atMs, this.atMs[row]);
    }
    const requests = new Float32Array(rows);
    numberLists(Float64Array.from(chosen, (row) => this.requests[row]), requests);
    return { features: batch, labels, atMs, requests };
  }

  #idsOf(chosen: Uint32Array, slots: number): number {
    const { listOffsets } = this.features;
    let count = 0;
    for (const row of chosen) {
      count += listOffsets[(row + 1) * slots] - listOffsets[row * slots];
    }
    return count;
  }
}

/** 0 … rows - 1. */
function ascending(rows: number): Uint32Array {
  return Uint32Array.from({ length: rows }, (_, row) => row);
}

/**
 * A permutation of 0 … rows - 1 that is a function of the seed and the epoch. Fisher and Yates,
 * 1938.
 */
export function shuffledOrder(rows: number, seed: number, epoch: number): Uint32Array {
  const order = ascending(rows);
  const key = mixKey([seed, epoch]);
  for (let i = rows - 1; i > 0; i--) {
    const other = Math.floor(uniformAt(key, i) * (i + 1));
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order;
}

/** The rows of all batches, concatenated. */
export function concatenateBatches(batches: readonly FeatureBatch[]): FeatureBatch {
  const total = (length: (batch: FeatureBatch) => number) =>
    batches.reduce((sum, batch) => sum + length(batch), 0);
  const rows = total((batch) => batch.rows);
  const ids = new BigUint64Array(total((batch) => batch.ids.length));
  const listOffsets = new Uint32Array(total((batch) => batch.listOffsets.length - 1) + 1);
  const dense = new Float32Array(total((batch) => batch.dense.length));
  let [atId, atList, atDense] = [0, 0, 0];
  for (const batch of batches) {
    ids.set(batch.ids, atId);
    for (let i = 1; i < batch.listOffsets.length; i++) {
      listOffsets[++atList] = atId + batch.listOffsets[i];
    }
    dense.set(batch.dense, atDense);
    atId += batch.ids.length;
    atDense += batch.dense.length;
  }
  return { rows, ids, listOffsets, dense };
}
