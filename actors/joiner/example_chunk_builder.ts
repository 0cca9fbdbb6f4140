/**
 * Gathers examples into chunks. Ids and dense values are copied as words from the logged impression
 * to the example log, so that training reads the same bits that were served.
 */
import type { ExampleColumns } from "../../kernels/features/schema_fingerprint.ts";
import type { LoggedFeatures } from "../../records/impression_rows.ts";
import type { ExampleChunk } from "../../records/example_chunk.ts";
import type { Forgotten } from "../../records/forgotten.ts";
import type { JoinerPosition } from "../../records/joiner_position.ts";
import type { TraceContext } from "../../mesh/ports/tracing.ts";
import { TraceLinks } from "../../mesh/runtime/trace_links.ts";
import { invariant } from "../../structures/invariant.ts";

/** A row of a ranking, with its labels. */
export interface DecidedExample {
  /** Features of all rows of the ranking. */
  readonly features: LoggedFeatures;
  /** The example's row in `features`. */
  readonly row: number;
  /** `[tasks]` */
  readonly labels: ArrayLike<number>;
  readonly logSampleRate: number;
  /** The first task's prediction when served; NaN if unknown. */
  readonly servedPrediction: number;
  /** A hash of the ranking, 32 bits. */
  readonly ranking: number;
  /** Time of the example on the data clock, ms. */
  readonly atMs: number;
  /** The ranking's trace, where its spans are recorded. */
  readonly trace?: TraceContext | undefined;
}

export class ExampleChunkBuilder {
  readonly #columns: ExampleColumns;
  #firstRow: number;
  #rows = 0;
  #idCount = 0;
  #atMs = 0;
  #ids: Uint32Array<ArrayBuffer>;
  #offsets: Uint32Array<ArrayBuffer>;
  #dense: Uint32Array<ArrayBuffer>;
  #labels: Float32Array<ArrayBuffer>;
  #logSampleRate: Float32Array<ArrayBuffer>;
  #servedPredictions: Float32Array<ArrayBuffer>;
  #rankings: Uint32Array<ArrayBuffer>;
  readonly #traces = new TraceLinks();

  /** @param firstRow Number of the next example in its partition. */
  constructor(columns: ExampleColumns, firstRow: number, rowsHint = 64) {
    const { slots, denseWidth, tasks } = columns;
    this.#columns = columns;
    this.#firstRow = firstRow;
    this.#ids = new Uint32Array(rowsHint * slots * 2);
    this.#offsets = new Uint32Array(rowsHint * slots + 1);
    this.#dense = new Uint32Array(rowsHint * denseWidth);
    this.#labels = new Float32Array(rowsHint * tasks);
    this.#logSampleRate = new Float32Array(rowsHint);
    this.#servedPredictions = new Float32Array(rowsHint);
    this.#rankings = new Uint32Array(rowsHint);
  }

  /** Examples of the unfinished chunk. */
  get rows(): number {
    return this.#rows;
  }

  /** Number of the next example in its partition. */
  get nextRow(): number {
    return this.#firstRow + this.#rows;
  }

  add(example: DecidedExample): void {
    const { features, row, labels, logSampleRate, servedPrediction, ranking, atMs, trace } =
      example;
    const { slots, denseWidth, tasks } = this.#columns;
    invariant(labels.length === tasks, "an example has a label per task");
    invariant(
      row >= 0 && (row + 1) * slots < features.listOffsets.length,
      "an example is a row of its ranking",
    );
    const from = features.listOffsets[row * slots];
    const to = features.listOffsets[(row + 1) * slots];
    this.#reserve(this.#rows + 1, this.#idCount + to - from);
    const shift = this.#idCount - from;
    for (let word = 2 * from; word < 2 * to; word++) {
      this.#ids[word + 2 * shift] = features.ids[word];
    }
    const base = this.#rows * slots;
    for (let slot = 1; slot <= slots; slot++) {
      this.#offsets[base + slot] = features.listOffsets[row * slots + slot] + shift;
    }
    for (let i = 0; i < denseWidth; i++) {
      this.#dense[this.#rows * denseWidth + i] = features.dense[row * denseWidth + i];
    }
    for (let task = 0; task < tasks; task++) this.#labels[this.#rows * tasks + task] = labels[task];
    this.#logSampleRate[this.#rows] = logSampleRate;
    this.#servedPredictions[this.#rows] = servedPrediction;
    this.#rankings[this.#rows] = ranking;
    if (atMs > this.#atMs) this.#atMs = atMs;
    this.#idCount += to - from;
    this.#traces.add(trace);
    this.#rows++;
  }

  /**
   * The gathered examples as a chunk with arrays of its own. The builder is empty afterwards and
   * numbers the next example after them.
   */
  finish(acceptedAtMs: number, resume?: JoinerPosition): ExampleChunk {
    const { slots, denseWidth, tasks, schemaFingerprint } = this.#columns;
    const rows = this.#rows;
    invariant(this.#offsets[rows * slots] === this.#idCount, "the last list ends at the last id");
    const traces = this.#traces.take();
    const chunk: ExampleChunk = {
      firstRow: this.#firstRow,
      rows,
      schemaFingerprint,
      ids: bytesOf(this.#ids, 2 * this.#idCount),
      listOffsets: bytesOf(this.#offsets, rows * slots + 1),
      dense: bytesOf(this.#dense, rows * denseWidth),
      labels: bytesOf(this.#labels, rows * tasks),
      logSampleRate: bytesOf(this.#logSampleRate, rows),
      servedPredictions: bytesOf(this.#servedPredictions, rows),
      rankings: bytesOf(this.#rankings, rows),
      atMs: this.#atMs,
      acceptedAtMs,
      ...(traces && { traces }),
      ...(resume === undefined ? {} : { resume }),
    };
    this.#firstRow += rows;
    this.#rows = 0;
    this.#idCount = 0;
    this.#atMs = 0;
    return chunk;
  }

  /** A chunk without rows that takes the next number; no example may be gathered. */
  finishForget(
    forget: readonly Forgotten[],
    acceptedAtMs: number,
    resume: JoinerPosition,
  ): ExampleChunk {
    invariant(this.#rows === 0, "an erasure comes between the rows of two chunks");
    const chunk = { ...this.finish(acceptedAtMs, resume), forget };
    this.#firstRow++;
    return chunk;
  }

  /** Numbers the gathered and the next examples from `firstRow` on. */
  renumber(firstRow: number): void {
    this.#firstRow = firstRow;
  }

  #reserve(rows: number, idCount: number): void {
    if (2 * idCount > this.#ids.length) {
      this.#ids = grown(this.#ids, Math.max(2 * idCount, 2 * this.#ids.length), Uint32Array);
    }
    if (rows <= this.#servedPredictions.length) return;
    const { slots, denseWidth, tasks } = this.#columns;
    const capacity = Math.max(rows, this.#servedPredictions.length * 2);
    this.#offsets = grown(this.#offsets, capacity * slots + 1, Uint32Array);
    this.#dense = grown(this.#dense, capacity * denseWidth, Uint32Array);
    this.#labels = grown(this.#labels, capacity * tasks, Float32Array);
    this.#logSampleRate = grown(this.#logSampleRate, capacity, Float32Array);
    this.#servedPredictions = grown(this.#servedPredictions, capacity, Float32Array);
    this.#rankings = grown(this.#rankings, capacity, Uint32Array);
  }
}

function grown<A extends Uint32Array | Float32Array>(
  array: A,
  length: number,
  make: new (length: number) => A,
): A {
  const larger = new make(length);
  larger.set(array);
  return larger;
}

function bytesOf(array: Uint32Array | Float32Array, length: number): Uint8Array {
  return new Uint8Array(array.slice(0, length).buffer);
}
