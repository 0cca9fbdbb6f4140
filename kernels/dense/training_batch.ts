/**
 * A minibatch as arrays that are used again: filled by the trainer, read and written by the step, given back.
 */
import type { Model } from "./models/model.ts";
import { widthOf } from "./models/sparse_inputs.ts";
import type { HistoryBatch } from "./history_batch.ts";
import type { HostMemory } from "./sessions/host_memory.ts";
import { mapValues } from "../../structures/map_values.ts";

type Floats = Float32Array<ArrayBuffer>;

/** One minibatch. All arrays are row-major. */
export interface TrainingBatch {
  readonly rows: number;
  /** Pooled rows by slice, the slots' vectors side by side. Shape `[rows, Σ dims]` each. */
  readonly sparse: Readonly<Record<string, Floats>>;
  /** List slots pooled by attention, by name; absent = the model has none. */
  readonly histories?: Readonly<Record<string, HistoryBatch>>;
  /** Shape `[rows, denseWidth]`. */
  readonly dense: Floats;
  /** Shape `[rows, tasks]`. */
  readonly labels: Floats;
  /** ln(sample rate) of each example, 0 where it was not sampled. Shape `[rows]`. */
  readonly logSampleRate: Floats;
  /** Where a step on the CPU or CUDA writes what it found; absent = arrays that the next step overwrites. */
  readonly results?: TrainingResults;
  /** Of which batch these rows are a part that one replica takes; absent = they are all. */
  readonly share?: BatchShare;
}

export interface BatchShare {
  /** Place of the part's first row in the whole batch. */
  readonly firstRow: number;
  /** Rows of the whole batch. */
  readonly rowsInAll: number;
  /** What they count on average, by which all replicas judge alike. */
  readonly meanCount: number;
}

/** What a step finds for each row. */
export interface TrainingResults {
  /** Raw outputs before the update. Shape `[rows, tasks]`. */
  readonly logits: Floats;
  /**
   * Gradients of the mean loss by slice, shape `[rows, Σ dims]` each, and by history, shape
   * `[rows, lengthMax, dim]` (0 where there is no entry).
   */
  readonly gradients: Readonly<Record<string, Floats>>;
}

/** Zeroed arrays for a batch of `rows` and its results. */
export function allocateBatch(
  { sizes, sparseInputs, historyInputs }: Model,
  rows: number,
  allocate: HostMemory["allocate"],
): TrainingBatch {
  const floats = (width: number) => allocate(rows * width);
  const bySlice = () => sparseInputs.map((input) => [input.slice, floats(widthOf(input))] as const);
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

/**
 * A batch whose arrays have the model's widths: cut into parts, one that has not would train on other rows' numbers.
 *
 * @throws {RangeError} With the name of the first array that does not fit.
 */
export function requireWidths(model: Model, batch: TrainingBatch): void {
  const { rows, sparse, histories = {}, dense, labels, logSampleRate, results } = batch;
  const fits = (name: string, array: Floats | undefined, width: number) => {
    if (array?.length === rows * width) return;
    throw new RangeError(
      `Cannot train on ${rows} rows: "${name}" has ${array?.length} values and needs ${rows} × ${width}.`,
    );
  };
  for (const input of model.sparseInputs) {
    fits(input.slice, sparse[input.slice], widthOf(input));
    if (results) {
      fits(`${input.slice}'s gradients`, results.gradients[input.slice], widthOf(input));
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
  if (results) fits("logits", results.logits, model.sizes.tasks);
}

/** Rows `[from, from + rows)` of the same memory. */
export function batchRows(batch: TrainingBatch, from: number, rows: number): TrainingBatch {
  const part = (array: Floats) => {
    const width = array.length / batch.rows;
    return array.subarray(from * width, (from + rows) * width);
  };
  const { sparse, histories, dense, labels, logSampleRate, results } = batch;
  return {
    rows,
    sparse: mapValues(sparse, part),
    ...(histories !== undefined && {
      histories: mapValues(histories, ({ entries, present }) => {
        return { entries: part(entries), present: part(present) };
      }),
    }),
    dense: part(dense),
    labels: part(labels),
    logSampleRate: part(logSampleRate),
    ...(results !== undefined && {
      results: { logits: part(results.logits), gradients: mapValues(results.gradients, part) },
    }),
  };
}

/** Copies what a step reads. */
export function copyInputs(source: TrainingBatch, target: TrainingBatch): void {
  for (const [name, array] of Object.entries(source.sparse)) target.sparse[name].set(array);
  for (const [name, { entries, present }] of Object.entries(source.histories ?? {})) {
    target.histories![name].entries.set(entries);
    target.histories![name].present.set(present);
  }
  target.dense.set(source.dense);
  target.labels.set(source.labels);
  target.logSampleRate.set(source.logSampleRate);
}

/** Copies what a step wrote. */
export function copyResults(source: TrainingResults, target: TrainingResults): void {
  target.logits.set(source.logits);
  for (const [name, array] of Object.entries(source.gradients)) target.gradients[name].set(array);
}

/** What moves when a batch does. */
export function buffersOf(batch: TrainingBatch): ArrayBuffer[] {
  const { sparse, histories = {}, dense, labels, logSampleRate, results } = batch;
  const arrays = [
    ...Object.values(sparse),
    ...Object.values(histories).flatMap(({ entries, present }) => [entries, present]),
    dense,
    labels,
    logSampleRate,
    ...(results === undefined ? [] : [results.logits, ...Object.values(results.gradients)]),
  ];
  return arrays.map(({ buffer }) => buffer);
}
