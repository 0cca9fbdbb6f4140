/**
 * A minibatch as arrays that are used again: filled by the trainer, read and written by the step, given back.
 */
import type { Model } from "./models/model.ts";
import type { SequenceBatch } from "./sequence_batch.ts";
import type { HostMemory } from "./sessions/host_memory.ts";

type Floats = Float32Array<ArrayBuffer>;

/** One minibatch. All arrays are row-major. */
export interface TrainingBatch {
  readonly rows: number;
  /** Pooled rows by segment. Shape `[rows, slots, dim]` each. */
  readonly sparse: Readonly<Record<string, Floats>>;
  /** List slots pooled by attention, by name; absent = the model has none. */
  readonly sequences?: Readonly<Record<string, SequenceBatch>>;
  /** Shape `[rows, denseWidth]`. */
  readonly dense: Floats;
  /** Shape `[rows, tasks]`. */
  readonly labels: Floats;
  /** ln(sample rate) of each example, 0 where it was not sampled. Shape `[rows]`. */
  readonly logSampleRate: Floats;
  /** Where a step on the CPU or CUDA writes what it found; absent = arrays that the next step overwrites. */
  readonly results?: TrainingResults;
}

/** What a step finds for each row. */
export interface TrainingResults {
  /** Raw outputs before the update. Shape `[rows, tasks]`. */
  readonly logits: Floats;
  /**
   * Gradients of the mean loss by segment, shape `[rows, slots, dim]` each, and by sequence, shape
   * `[rows, lengthMax, dim]` (0 where there is no entry).
   */
  readonly gradients: Readonly<Record<string, Floats>>;
}

/** Zeroed arrays for a batch of `rows` and its results. */
export function allocateBatch(
  { sizes, sparseInputs, sequenceInputs }: Model,
  rows: number,
  allocate: HostMemory["allocate"],
): TrainingBatch {
  const floats = (width: number) => allocate(rows * width);
  const bySegment = () =>
    sparseInputs.map(({ segment, dim }) => [segment, floats(sizes.slots * dim)] as const);
  return {
    rows,
    sparse: Object.fromEntries(bySegment()),
    ...(sequenceInputs.length > 0 && {
      sequences: Object.fromEntries(
        sequenceInputs.map(({ name, lengthMax, dim }) =>
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
        ...bySegment(),
        ...sequenceInputs.map(({ name, lengthMax, dim }) =>
          [name, floats(lengthMax * dim)] as const
        ),
      ]),
    },
  };
}

/** The same memory as a batch of `rows`: no more than it was allocated for. */
export function batchOfRows(batch: TrainingBatch, rows: number): TrainingBatch {
  return {
    ...mapArrays(batch, (array) => {
      const length = array.length / batch.rows * rows;
      return new Float32Array(array.buffer, array.byteOffset, length);
    }),
    rows,
  };
}

/** What moves when a batch does. */
export function buffersOf(batch: TrainingBatch): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  mapArrays(batch, (array) => {
    buffers.push(array.buffer);
    return array;
  });
  return buffers;
}

function mapArrays(batch: TrainingBatch, f: (array: Floats) => Floats): TrainingBatch {
  const mapped = (record: Readonly<Record<string, Floats>>) =>
    Object.fromEntries(Object.entries(record).map(([name, array]) => [name, f(array)]));
  const { rows, sparse, sequences, dense, labels, logSampleRate, results } = batch;
  return {
    rows,
    sparse: mapped(sparse),
    ...(sequences !== undefined && {
      sequences: Object.fromEntries(
        Object.entries(sequences).map(([name, { entries, present }]) =>
          [name, { entries: f(entries), present: f(present) }] as const
        ),
      ),
    }),
    dense: f(dense),
    labels: f(labels),
    logSampleRate: f(logSampleRate),
    ...(results !== undefined && {
      results: { logits: f(results.logits), gradients: mapped(results.gradients) },
    }),
  };
}
