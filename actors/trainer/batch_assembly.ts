/**
 * Cuts the stream of example chunks into training batches, independent of the chunks' sizes.
 *
 * A batch's sequence is the number of rows of the partition up to its end. Rows keep their numbers,
 * so a restarted trainer may cut the same rows into other batches: it only has to end a batch at
 * each mark that a shard has reached ({@link BatchAssembly.endBatchAt}). Then every shard applies
 * every row once.
 */
import type { ExampleShape, FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { ExampleChunk } from "../../records/example_chunk.ts";
import { present } from "../../structures/invariant.ts";

export interface TrainingBatch {
  readonly features: FeatureBatch;
  /** `[rows, tasks]` */
  readonly labels: Float32Array<ArrayBuffer>;
  /** `[rows]` */
  readonly logSampleRate: Float32Array<ArrayBuffer>;
  /** `[rows]` */
  readonly servedScores: Float32Array<ArrayBuffer>;
  /** Rows of the partition up to the end of this batch. */
  readonly sequence: number;
  /** The newest example's time on the data clock, ms. */
  readonly atMs: number;
  /** Examples decided by actions accepted up to here are in this batch or an earlier one, ms. */
  readonly learnedThroughMs: number;
  /** Log offset from which the rows after this batch can be read. */
  readonly nextOffset: number;
}

/** A chunk with rows that wait. Its columns stay bytes, unaligned, until a batch copies them. */
interface Piece {
  readonly chunk: ExampleChunk;
  readonly listOffsets: Uint32Array<ArrayBuffer>;
  readonly offset: number;
  /** Rows already taken. */
  taken: number;
}

export class BatchAssembly {
  readonly #shape: ExampleShape;
  readonly #pieces: Piece[] = [];
  #boundaries: number[] = [];
  #rows = 0;
  /** Whether a row of this schema was read. */
  #begun = false;
  #nextRow: number | undefined;
  #nextOffset = 0;
  #passedMs = 0;

  /** @param nextRow Rows before this number are skipped: they are learned. */
  constructor(shape: ExampleShape, nextRow?: number) {
    this.#shape = shape;
    this.#nextRow = nextRow;
  }

  /** Rows waiting. */
  get rows(): number {
    return this.#rows;
  }

  /** Acceptance time up to which all examples are taken, ms. */
  get passedMs(): number {
    return this.#passedMs;
  }

  /** Log offset from which the rows that are not taken can be read. */
  get nextOffset(): number {
    return this.#pieces[0]?.offset ?? this.#nextOffset;
  }

  /** No batch may cross row number `sequence`: a shard has applied the rows before it. */
  endBatchAt(sequence: number): void {
    this.#boundaries = [...new Set([...this.#boundaries, sequence])].sort((a, b) => a - b);
  }

  /**
   * Adds a chunk read at `offset` of the log.
   *
   * @returns False where it is skipped: it is of another schema, and no row of this one came
   * before.
   * @throws {RangeError} When its arrays do not have the shapes of the model, or rows are missing
   * before it.
   */
  add(chunk: ExampleChunk, offset: number): boolean {
    const { slots, denseWidth, tasks } = this.#shape;
    const expected: readonly [string, number, number][] = [
      ["listOffsets", chunk.listOffsets.byteLength, (chunk.rows * slots + 1) * 4],
      ["dense", chunk.dense.byteLength, chunk.rows * denseWidth * 4],
      ["labels", chunk.labels.byteLength, chunk.rows * tasks * 4],
      ["logSampleRate", chunk.logSampleRate.byteLength, chunk.rows * 4],
      ["servedScores", chunk.servedScores.byteLength, chunk.rows * 4],
    ];
    for (const [name, bytes, wanted] of expected) {
      if (bytes === wanted) continue;
      if (!this.#begun && wholeOfSomeShape(chunk)) {
        this.#nextRow = Math.max(this.#nextRow ?? 0, chunk.firstRow + chunk.rows);
        this.#nextOffset = offset + 1;
        this.#passedMs = Math.max(this.#passedMs, chunk.acceptedAtMs);
        return false;
      }
      throw new RangeError(
        `Cannot train on the example chunk at offset ${offset}: ${name} has ${bytes} bytes and ${chunk.rows} rows ` +
          `of ${slots} slots, ${denseWidth} dense values and ${tasks} tasks need ${wanted}. ` +
          `The log was written under another schema: start with an empty example log.`,
      );
    }
    const listOffsets = new Uint32Array(chunk.listOffsets.slice().buffer as ArrayBuffer);
    const ids = listOffsets[chunk.rows * slots];
    if (chunk.ids.byteLength !== ids * 8) {
      throw new RangeError(
        `Cannot train on the example chunk at offset ${offset}: its lists end at id ${ids} and there are ` +
          `${chunk.ids.byteLength} bytes of ids; the record is damaged.`,
      );
    }
    const nextRow = this.#nextRow ??= chunk.firstRow;
    if (chunk.firstRow > nextRow) {
      throw new RangeError(
        `Cannot train on the example chunk at offset ${offset}: it begins at row ${chunk.firstRow} and the row ` +
          `before it was ${nextRow - 1}; the log lost ${chunk.firstRow - nextRow} rows.`,
      );
    }
    this.#nextOffset = offset + 1;
    const taken = Math.min(nextRow - chunk.firstRow, chunk.rows);
    this.#pieces.push({ chunk, listOffsets, offset, taken });
    this.#rows += chunk.rows - taken;
    this.#begun ||= this.#rows > 0;
    this.#nextRow = nextRow + chunk.rows - taken;
    this.#passEmpty();
    return true;
  }

  /** The next up to `rowsMax` rows; undefined when none wait. */
  take(rowsMax: number): TrainingBatch | undefined {
    if (this.#rows === 0) return undefined;
    const start = present(this.#nextRow, "rows that wait have numbers") - this.#rows;
    this.#boundaries = this.#boundaries.filter((sequence) => sequence > start);
    const rows = Math.min(rowsMax, this.#rows, (this.#boundaries[0] ?? Infinity) - start);
    return this.#gather(rows, start + rows);
  }

  #gather(rows: number, sequence: number): TrainingBatch {
    const { slots, denseWidth, tasks } = this.#shape;
    const spans: { piece: Piece; from: number; to: number }[] = [];
    let idCount = 0;
    for (let missing = rows, i = 0; missing > 0; i++) {
      const piece = this.#pieces[i];
      const from = piece.taken;
      const to = Math.min(piece.chunk.rows, from + missing);
      if (to > from) spans.push({ piece, from, to });
      idCount += piece.listOffsets[to * slots] - piece.listOffsets[from * slots];
      missing -= to - from;
      piece.taken = to;
    }
    const ids = new BigUint64Array(idCount);
    const listOffsets = new Uint32Array(rows * slots + 1);
    const dense = new Float32Array(rows * denseWidth);
    const labels = new Float32Array(rows * tasks);
    const logSampleRate = new Float32Array(rows);
    const servedScores = new Float32Array(rows);
    let atMs = 0;
    let row = 0;
    let id = 0;
    for (const { piece, from, to } of spans) {
      const { chunk } = piece;
      const idFrom = piece.listOffsets[from * slots];
      const idTo = piece.listOffsets[to * slots];
      copyElements(chunk.ids, idFrom, idTo, ids, id);
      for (let list = from * slots + 1; list <= to * slots; list++) {
        listOffsets[row * slots + list - from * slots] = piece.listOffsets[list] -
          idFrom + id;
      }
      copyElements(chunk.dense, from * denseWidth, to * denseWidth, dense, row * denseWidth);
      copyElements(chunk.labels, from * tasks, to * tasks, labels, row * tasks);
      copyElements(chunk.logSampleRate, from, to, logSampleRate, row);
      copyElements(chunk.servedScores, from, to, servedScores, row);
      atMs = Math.max(atMs, chunk.atMs);
      row += to - from;
      id += idTo - idFrom;
    }
    this.#rows -= rows;
    this.#passEmpty();
    return {
      features: { rows, ids, listOffsets, dense },
      labels,
      logSampleRate,
      servedScores,
      sequence,
      atMs,
      learnedThroughMs: this.#passedMs,
      nextOffset: this.nextOffset,
    };
  }

  /** Drops the pieces at the front that have no row left, and moves the mark to theirs. */
  #passEmpty(): void {
    let done = 0;
    for (; done < this.#pieces.length; done++) {
      const { chunk, taken } = this.#pieces[done];
      if (taken < chunk.rows) break;
      this.#passedMs = Math.max(this.#passedMs, chunk.acceptedAtMs);
    }
    if (done > 0) this.#pieces.splice(0, done);
  }
}

/** Whether the columns have matching lengths for some numbers of slots, dense values and tasks. */
function wholeOfSomeShape(chunk: ExampleChunk): boolean {
  const { rows, ids, listOffsets, dense, labels, logSampleRate, servedScores } = chunk;
  const perRow = [listOffsets.byteLength - 4, dense.byteLength, labels.byteLength];
  if (perRow.some((bytes) => bytes < 0 || bytes % (rows * 4) !== 0)) return false;
  if (logSampleRate.byteLength !== rows * 4 || servedScores.byteLength !== rows * 4) return false;
  const ends = new DataView(listOffsets.buffer, listOffsets.byteOffset);
  return ids.byteLength === ends.getUint32(listOffsets.byteLength - 4, true) * 8;
}

/** Copies elements `[from, to)` of a column to `target[at…]`. */
function copyElements(
  column: Uint8Array,
  from: number,
  to: number,
  target: BigUint64Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
  at: number,
): void {
  const { BYTES_PER_ELEMENT: bytes } = target;
  new Uint8Array(target.buffer).set(column.subarray(from * bytes, to * bytes), at * bytes);
}
