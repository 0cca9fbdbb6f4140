/**
 * The arrays of a minibatch, reused from batch to batch: the trainer fills the inputs, a step
 * writes the results.
 */
import { invariant, present } from "../../structures/invariant.ts";
import { comparesLists } from "./losses.ts";
import type { Model } from "./models/model.ts";
import { pooledWidth } from "./models/sparse_inputs.ts";
import type { HistoryArrays } from "./history_arrays.ts";
import type { HostMemory } from "./sessions/host_memory.ts";
import { mapValues } from "../../structures/map_values.ts";

type Floats = Float32Array<ArrayBuffer>;

/** One minibatch. All arrays are row-major. */
export interface TrainingBatch {
  readonly rows: number;
  /** Pooled rows by slice, the slots' vectors concatenated. Shape `[rows, Σ dims]` each. */
  readonly sparse: Readonly<Record<string, Floats>>;
  /** By the names of the model's `historyInputs`; absent = the model has none. */
  readonly histories?: Readonly<Record<string, HistoryArrays>>;
  /** Shape `[rows, denseWidth]`. */
  readonly dense: Floats;
  /** Shape `[rows, tasks]`. */
  readonly labels: Floats;
  /** ln(sample rate) of each example, 0 when it was not sampled. Shape `[rows]`. */
  readonly logSampleRate: Floats;
  /** Number of each row's list, for a list loss. Shape `[rows]`; absent = the model has none. */
  readonly lists?: Floats;
  /**
   * Arrays that a step on the CPU or CUDA writes its results into; absent = arrays that the next
   * step overwrites.
   */
  readonly results?: TrainingResults;
  /** Set when these rows are a part of a larger batch that several threads share. */
  readonly share?: BatchShare;
}

/** The rows of a batch that a part of it has. */
export interface BatchShare {
  /** Index of the part's first row in the whole batch. */
  readonly firstRow: number;
  /** Rows of the whole batch. */
  readonly rowsInAll: number;
}

/** A step's results per row. */
export interface TrainingResults {
  /** Raw outputs before the update. Shape `[rows, tasks]`. */
  readonly logits: Floats;
  /**
   * Gradients of the mean loss with respect to each slice, shape `[rows, Σ dims]`, and each
   * history, shape `[rows, lengthMax, dim]` (0 where there is no entry).
   */
  readonly gradients: Readonly<Record<string, Floats>>;
}

/** Zeroed arrays for a batch of `rows` and its results. */
export function allocateBatch(
  { sizes, sparseInputs, historyInputs, tasks }: Model,
  rows: number,
  allocate: HostMemory["allocate"],
): TrainingBatch {
  const floats = (width: number) => allocate(rows * width);
  const bySlice = () =>
    sparseInputs.map((input) => [input.slice, floats(pooledWidth(input))] as const);
  return {
    rows,
    sparse: Object.fromEntries(bySlice()),
    ...(historyInputs.length > 0 && {
      histories: Object.fromEntries(
        historyInputs.map(({ name, lengthMax, dim }) =>
          [name, { entries: floats(lengthMax * dim), present: floats(lengthMax) }] as const
        ),
      ),
    }),
    dense: floats(sizes.denseWidth),
    labels: floats(sizes.tasks),
    logSampleRate: floats(1),
    ...(comparesLists(tasks) && { lists: floats(1) }),
    results: {
      logits: floats(sizes.tasks),
      gradients: Object.fromEntries([
        ...bySlice(),
        ...historyInputs.map(({ name, lengthMax, dim }) =>
          [name, floats(lengthMax * dim)] as const
        ),
      ]),
    },
  };
}

/** Floats of a cache line, at whose multiples the arrays of {@link allocateInOneBuffer} begin. */
const LINE_FLOATS = 16;

/**
 * As {@link allocateBatch}, with all arrays in one buffer: a message that moves them to another
 * thread hands over one buffer instead of eight.
 */
export function allocateInOneBuffer(model: Model, rows: number): TrainingBatch {
  const rounded = (length: number) => Math.ceil(length / LINE_FLOATS) * LINE_FLOATS;
  const none = new Float32Array(0);
  let floats = 0;
  allocateBatch(model, rows, (length) => {
    floats += rounded(length);
    return none;
  });
  const memory = new Float32Array(floats);
  let next = 0;
  return allocateBatch(model, rows, (length) => {
    const array = memory.subarray(next, next + length);
    next += rounded(length);
    return array;
  });
}

/**
 * Checks that a batch's arrays have the model's widths. Without this check, cutting a wrong array
 * into parts would train rows on the numbers of others.
 *
 * @throws {RangeError} Naming the first array that does not fit.
 */
export function requireWidths(model: Model, batch: TrainingBatch): void {
  const { rows, sparse, histories = {}, dense, labels, logSampleRate, lists, results } = batch;
  const fits = (name: string, array: Floats | undefined, width: number) => {
    if (array?.length === rows * width) return;
    throw new RangeError(
      `Cannot train on ${rows} rows: "${name}" has ${array?.length} values and needs ${rows} × ${width}.`,
    );
  };
  for (const input of model.sparseInputs) {
    fits(input.slice, sparse[input.slice], pooledWidth(input));
    if (results) {
      fits(`${input.slice}'s gradients`, results.gradients[input.slice], pooledWidth(input));
    }
  }
  for (const { name, lengthMax, dim } of model.historyInputs) {
    fits(name, histories[name]?.entries, lengthMax * dim);
    fits(`${name}'s presence`, histories[name]?.present, lengthMax);
    if (results) fits(`${name}'s gradients`, results.gradients[name], lengthMax * dim);
  }
  fits("dense", dense, model.sizes.denseWidth);
  fits("labels", labels, model.sizes.tasks);
  fits("logSampleRate", logSampleRate, 1);
  if (comparesLists(model.tasks)) fits("lists", lists, 1);
  if (results) fits("logits", results.logits, model.sizes.tasks);
}

/** Rows `[from, from + rows)` as views of the same memory. */
export function viewOfRows(batch: TrainingBatch, from: number, rows: number): TrainingBatch {
  invariant(from >= 0 && rows >= 0 && from + rows <= batch.rows, "the rows are rows of the batch");
  const part = (array: Floats) => {
    const width = array.length / batch.rows;
    return array.subarray(from * width, (from + rows) * width);
  };
  const { sparse, histories, dense, labels, logSampleRate, lists, results } = batch;
  return {
    rows,
    sparse: mapValues(sparse, part),
    ...(histories !== undefined && {
      histories: mapValues(histories, (history) => {
        return { entries: part(history.entries), present: part(history.present) };
      }),
    }),
    dense: part(dense),
    labels: part(labels),
    logSampleRate: part(logSampleRate),
    ...(lists !== undefined && { lists: part(lists) }),
    ...(results !== undefined && {
      results: { logits: part(results.logits), gradients: mapValues(results.gradients, part) },
    }),
  };
}

/** Copies the arrays that a step reads. */
export function copyInputs(source: TrainingBatch, target: TrainingBatch): void {
  for (const [name, array] of Object.entries(source.sparse)) target.sparse[name].set(array);
  for (const [name, history] of Object.entries(source.histories ?? {})) {
    const copy = present(target.histories?.[name], "both batches have the model's histories");
    copy.entries.set(history.entries);
    copy.present.set(history.present);
  }
  target.dense.set(source.dense);
  target.labels.set(source.labels);
  target.logSampleRate.set(source.logSampleRate);
  if (source.lists !== undefined) target.lists?.set(source.lists);
}

/** Copies the arrays that a step writes. */
export function copyResults(source: TrainingResults, target: TrainingResults): void {
  target.logits.set(source.logits);
  for (const [name, array] of Object.entries(source.gradients)) target.gradients[name].set(array);
}

/** The distinct buffers of a batch: the transferables of a message that moves it to a thread. */
export function buffersOf(batch: TrainingBatch): ArrayBuffer[] {
  const { sparse, histories = {}, dense, labels, logSampleRate, lists, results } = batch;
  const arrays = [
    ...Object.values(sparse),
    ...Object.values(histories).flatMap((history) => [history.entries, history.present]),
    dense,
    labels,
    logSampleRate,
    ...(lists === undefined ? [] : [lists]),
    ...(results === undefined ? [] : [results.logits, ...Object.values(results.gradients)]),
  ];
  return [...new Set(arrays.map(({ buffer }) => buffer))];
}
