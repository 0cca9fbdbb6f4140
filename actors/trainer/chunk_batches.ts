/**
 * Turns the chunks of a trainer's partitions into training batches: one chunk is one batch, so that
 * the boundaries of batches are part of the log and a replay trains on the same batches. The chunks
 * are added in one order of all partitions, which the log gives too.
 *
 * A chunk is split in two cases. It has more than `batchRows` rows, where the configuration was
 * changed or the joiner drained a full log. Or a shard's mark lies inside of it, where a trainer
 * restarts alone after it learned a part of the chunk.
 *
 * The log also decides which batches are in flight together: a flight ends at a chunk that is not
 * full, before an empty chunk, and at every {@link FLIGHT_CHUNKS}th offset. The joiner finishes an
 * empty chunk where no other chunk follows a full one.
 *
 * A chunk with erasures is taken by itself, when all batches before it are learned.
 */
import type { ExampleColumns } from "../../kernels/features/schema_fingerprint.ts";
import { type ExampleChunk, nextRowOf } from "../../records/example_chunk.ts";
import { invariant, present } from "../../structures/invariant.ts";
import { batchOf, hasColumns } from "./chunk_columns.ts";
import {
  type Erasing,
  type ExampleBatch,
  partOf,
  type Progress,
  type Progresses,
} from "./example_batch.ts";

export interface ChunkBatchesOptions extends ExampleColumns {
  /** Rows of a batch at most. */
  readonly batchRows: number;
}

/** Offsets from one certain end of a flight to the next, so that a cut need not wait for long. */
const FLIGHT_CHUNKS = 64;

/** Rows `[from, to)` of a partition. */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

export const BEGINNING: Progress = { sequence: 0, offset: 0, learnedThroughMs: 0 };

/** Where a trainer begins in a partition. */
export interface PartitionStart {
  readonly partition: number;
  /** Rows before its sequence are skipped: they are learned. Default: none are. */
  readonly start?: Progress | undefined;
  /** Sequences at which batches must end: a shard has applied the rows before them. */
  readonly boundaries?: readonly number[];
  /** Rows that are passed over. */
  readonly skipped?: readonly RowRange[];
}

/** A partition as far as its chunks were added. */
interface PartitionState {
  /** Rows before the first chunk are unknown until it is added. */
  nextRow: number | undefined;
  /** The progress when all batches added so far are learned. */
  progress: Progress;
  /** Sequences that no batch may cross. */
  readonly boundaries: readonly number[];
  readonly skipped: readonly RowRange[];
}

/** A trainer that stood still goes on where others have learned and trimmed the log since. */
export class ChunksTrimmedError extends Error {
  override readonly name = "ChunksTrimmedError";
  constructor(partition: number, wanted: number, found: number) {
    super(
      `Cannot train on at offset ${wanted} of the example log (examples/${partition}): the log ` +
        `has trimmed the chunks before ${found}. Another trainer has learned them, if this one ` +
        "stood still.",
    );
  }
}

export class ChunkBatches {
  readonly #options: ChunkBatchesOptions;
  /** Oldest first. */
  readonly #batches: (ExampleBatch | Erasing)[] = [];
  readonly #partitions: ReadonlyMap<number, PartitionState>;
  #rows = 0;
  #endsFlight = true;
  /** Progress past chunks that were added while no batch waited; the next batch takes it along. */
  #passed: Progresses = new Map();

  /** @param starts The partitions whose chunks will be added. */
  constructor(options: ChunkBatchesOptions, starts: readonly PartitionStart[]) {
    this.#options = options;
    this.#partitions = new Map(
      starts.map(({ partition, start, boundaries = [], skipped = [] }) => [partition, {
        nextRow: start?.sequence,
        progress: start ?? BEGINNING,
        boundaries: [...boundaries, ...skipped.flatMap(({ from, to }) => [from, to])],
        skipped,
      }]),
    );
  }

  /** Batches and erasures waiting. */
  get waiting(): number {
    return this.#batches.length;
  }

  /** Whether a batch is the next one. */
  get hasBatch(): boolean {
    const [next] = this.#batches;
    return next !== undefined && !("forget" in next);
  }

  /** Whether erasures are the next ones. */
  get hasErasing(): boolean {
    const [next] = this.#batches;
    return next !== undefined && "forget" in next;
  }

  /** Whether batches or erasures of a partition wait. */
  hasAnyOf(partition: number): boolean {
    return this.#batches.some((each) => each.partition === partition);
  }

  /** Rows waiting. */
  get rows(): number {
    return this.#rows;
  }

  /** The progress in a partition when everything that waits is learned and erased. */
  progressOf(partition: number): Progress {
    return this.#state(partition).progress;
  }

  /** The progress in all partitions when everything that waits is learned and erased. */
  get progress(): Progresses {
    return new Map([...this.#partitions].map(([partition, { progress }]) => [partition, progress]));
  }

  /** Whether the flight of the batch that was taken last ends with it. */
  get endsFlight(): boolean {
    return this.#endsFlight;
  }

  /**
   * Adds a chunk read at `offset` of a partition.
   *
   * @param checksum CRC-32C of its record; undefined = it is of no log.
   * @returns False where the chunk is of another schema. Its rows are skipped.
   * @throws {RangeError} When it is damaged, or rows are missing before it.
   * @throws {ChunksTrimmedError} When chunks before it were trimmed.
   */
  add(partition: number, chunk: ExampleChunk, offset: number, checksum?: number): boolean {
    const { firstRow, rows, forget } = chunk;
    const state = this.#state(partition);
    const isOfModel = hasColumns(chunk, this.#options, offset);
    const nextRow = state.nextRow ??= firstRow;
    if (firstRow > nextRow) {
      if (offset > state.progress.offset) {
        throw new ChunksTrimmedError(partition, state.progress.offset, offset);
      }
      throw new RangeError(
        `Cannot train on the example chunk at offset ${offset}: it begins at row ${firstRow} and ` +
          `the row before it was ${nextRow - 1}; the log lost ${firstRow - nextRow} rows.`,
      );
    }
    const before = state.progress;
    const end = nextRowOf(chunk);
    state.nextRow = Math.max(nextRow, end);
    const after = state.progress = {
      sequence: state.nextRow,
      offset: offset + 1,
      learnedThroughMs: Math.max(before.learnedThroughMs, chunk.acceptedAtMs),
    };
    const learned = checksum === undefined ? {} : { chunk: { offset, checksum } };
    if (forget !== undefined) {
      if (end > nextRow) {
        this.#addErasing({ partition, forget, offset, ...learned, after, passed: this.#passed });
      }
      return true;
    }
    const ranges = isOfModel ? [...this.#ranges(state, nextRow, end, firstRow)] : [];
    if (ranges.length > 0) {
      const isFull = rows >= this.#options.batchRows;
      const endsFlight = !isFull || offset % FLIGHT_CHUNKS === FLIGHT_CHUNKS - 1;
      const whole = { ...batchOf(chunk, before, after), ...learned, partition, endsFlight };
      for (const [from, to] of ranges) {
        const part = from === 0 && to === rows ? whole : partOf(whole, from, to);
        this.#batches.push({ ...part, passed: this.#passed });
        this.#passed = new Map();
        this.#rows += to - from;
      }
    }
    this.#passTo(partition, after, ranges.length === 0);
    return isOfModel;
  }

  /** The last waiting batch takes the progress along, past rows that are not learned. */
  #passTo(partition: number, after: Progress, isBarrier: boolean): void {
    const last = this.#batches.pop();
    if (last === undefined) {
      this.#endsFlight ||= isBarrier;
      this.#passed = new Map([...this.#passed, [partition, after]]);
      return;
    }
    const taken = last.partition === partition
      ? { after }
      : { passed: new Map([...last.passed, [partition, after]]) };
    if ("forget" in last) this.#batches.push({ ...last, ...taken });
    else this.#batches.push({ ...last, ...taken, endsFlight: last.endsFlight || isBarrier });
  }

  /** The flight of the batches before ends with them. */
  #addErasing(erasing: Erasing): void {
    const last = this.#batches.at(-1);
    if (last === undefined) this.#endsFlight = true;
    else if (!("forget" in last)) {
      this.#batches[this.#batches.length - 1] = { ...last, endsFlight: true };
    }
    this.#batches.push(erasing);
    this.#passed = new Map();
  }

  /** The next erasures, which stay the next ones. Requires {@link hasErasing}. */
  get erasing(): Erasing {
    const next = present(this.#batches[0], "erasures wait");
    invariant("forget" in next, "the batches before erasures are taken first");
    return next;
  }

  /** The next erasures. Requires {@link hasErasing}. */
  takeErasing(): Erasing {
    const next = this.erasing;
    this.#batches.shift();
    return next;
  }

  /** The next batch; undefined when none waits before the next erasures. */
  take(): ExampleBatch | undefined {
    const [batch] = this.#batches;
    if (batch === undefined || "forget" in batch) return undefined;
    this.#batches.shift();
    this.#rows -= batch.features.rows;
    this.#endsFlight = batch.endsFlight;
    return batch;
  }

  /** Gives batches back that were taken last; they are the next ones again. */
  putBack(batches: readonly ExampleBatch[]): void {
    const last = batches.at(-1);
    if (last === undefined) return;
    // An empty chunk may have ended the flight since.
    this.#batches.unshift(...batches.slice(0, -1), { ...last, endsFlight: this.#endsFlight });
    this.#endsFlight = true;
    for (const { features: { rows } } of batches) this.#rows += rows;
  }

  /** The ranges of a chunk's rows that are batches, from row number `begin` to `end`. */
  *#ranges(
    { boundaries, skipped }: PartitionState,
    begin: number,
    end: number,
    firstRow: number,
  ): Iterable<readonly [number, number]> {
    const { batchRows } = this.#options;
    for (let from = begin; from < end;) {
      // Counted from the chunk's first row: the ranges do not depend on where the trainer resumes.
      const full = firstRow + (Math.floor((from - firstRow) / batchRows) + 1) * batchRows;
      const to = Math.min(end, full, ...boundaries.filter((boundary) => boundary > from));
      const isSkipped = skipped.some((range) => range.from <= from && to <= range.to);
      if (!isSkipped) yield [from - firstRow, to - firstRow];
      from = to;
    }
  }

  #state(partition: number): PartitionState {
    return present(this.#partitions.get(partition), "a trainer reads its own partitions");
  }
}
