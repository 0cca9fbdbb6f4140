/**
 * Reads the trainer's partitions of the example log ahead of training, as batches of one order.
 *
 * The log gives the order: chunks are taken by `orderedAtMs`, and then by partition. A chunk is
 * taken when no partition can bring an earlier one: each has a chunk waiting, or has passed its
 * order. A replay therefore trains on the same batches in the same order, whichever partition was
 * read first.
 */
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import { present } from "../../structures/invariant.ts";
import { BEGINNING, ChunkBatches, type PartitionStart } from "./chunk_batches.ts";
import type { TrainerOptions } from "./options.ts";
import {
  type Checksums,
  orderOf,
  PartitionQueue,
  type ReadChunk,
  type SettledPosition,
} from "./partition_queue.ts";
import type { TrainerStatus } from "./protocol.ts";
import type { Erasing, ExampleBatch, Progress, Progresses } from "./example_batch.ts";

/** Batches that wait before reading pauses: more than can be in flight. */
const BATCHES_WAITING = 8;

export interface ExampleReaderParts {
  readonly log: EventLog;
  readonly kernel: Checksums;
  readonly telemetry: Telemetry;
  /** Called with the rows of each chunk of another schema. */
  onSkipped(rows: number): void;
}

/** A partition that keeps the trainer from its next chunk. */
export interface LackingPartition {
  readonly partition: number;
  /** The trainer has read all its chunks before this offset. */
  readonly offset: number;
  /**
   * The order that its next chunk has to reach, ms: the one of the newest chunk that was read. So
   * one answer is enough for all of them where the clock of a joiner is ahead of the others.
   */
  readonly orderedAtMs: number;
}

/** A partition whose chunks before `offset` are all read and taken. */
export interface DrainedPartition {
  readonly partition: number;
  readonly offset: number;
}

/** Chunks of another schema in a row, the first at `offset`. */
interface SkippedChunks {
  chunks: number;
  rows: number;
  readonly offset: number;
}

export class ExampleReader {
  readonly #options: TrainerOptions;
  readonly #parts: ExampleReaderParts;
  readonly #batches: ChunkBatches;
  readonly #queues: readonly PartitionQueue[];
  /** The partitions of which rows were read, until {@link drained} gives them. */
  readonly #filled = new Set<number>();
  /** By partition, the chunks skipped in a row that are not logged. */
  readonly #skipped = new Map<number, SkippedChunks>();

  /** @param starts Where it begins; left out = at the beginning of each partition. */
  constructor(
    options: TrainerOptions,
    parts: ExampleReaderParts,
    starts: readonly PartitionStart[] = options.partitions.map((partition) => ({ partition })),
  ) {
    this.#options = options;
    this.#parts = parts;
    this.#batches = new ChunkBatches(options, starts);
    this.#queues = starts.map(({ partition, start = BEGINNING }) =>
      new PartitionQueue(
        parts,
        partition,
        start.offset,
        partition < (options.partitionedFrom?.present ?? 0),
      )
    );
  }

  /** Whether a batch is the next one. */
  get hasBatch(): boolean {
    return this.#batches.hasBatch;
  }

  /** Whether erasures are the next ones. */
  get hasErasing(): boolean {
    return this.#batches.hasErasing;
  }

  /** Whether a batch or erasures wait. */
  get hasNext(): boolean {
    return this.#batches.waiting > 0;
  }

  /** Whether the flight of the batch that was taken last ends with it. */
  get endsFlight(): boolean {
    return this.#batches.endsFlight;
  }

  /** The progress when everything that waits in order is learned and erased. */
  get progress(): Progresses {
    return this.#batches.progress;
  }

  /** The next erasures, which stay the next ones. Requires {@link hasErasing}. */
  get erasing(): Erasing {
    return this.#batches.erasing;
  }

  /** The next erasures. Requires {@link hasErasing}. */
  takeErasing(): Erasing {
    return this.#batches.takeErasing();
  }

  /** The next batch; undefined when none waits. */
  take(): ExampleBatch | undefined {
    return this.#batches.take();
  }

  /**
   * The partitions of which rows were read since they were given here last, and of which nothing
   * waits any more.
   */
  drained(): DrainedPartition[] {
    const drained = [...this.#filled].filter((partition) =>
      !this.#batches.hasAnyOf(partition) && !this.#queueOf(partition).hasRows
    );
    return drained.map((partition) => {
      this.#filled.delete(partition);
      return { partition, offset: this.#queueOf(partition).nextOffset };
    });
  }

  /** Gives batches back that were taken last; they are the next ones again. */
  putBack(batches: readonly ExampleBatch[]): void {
    this.#batches.putBack(batches);
  }

  /**
   * Calls `listener` after chunks were appended to a partition.
   *
   * @returns Removes the listener.
   */
  follow(listener: () => void): () => void {
    const removals = this.#queues.map(({ partition }) =>
      this.#parts.log.onAppended(partition, () => {
        this.appended(partition);
        listener();
      })
    );
    return () => removals.forEach((remove) => remove());
  }

  /** Notes that chunks of a partition were appended. */
  appended(partition: number): void {
    this.#queueOf(partition).appended();
  }

  /**
   * How far a partition is learned at this progress. Chunks without rows that wait for their turn
   * count where no batch of the partition is under way.
   */
  settled(partition: number, progress: Progress): SettledPosition {
    const areAllLearned = progress.sequence === this.#batches.progressOf(partition).sequence;
    return this.#queueOf(partition).settled(progress, areAllLearned);
  }

  /** How far all partitions are learned at this progress: `learnedThroughMs` and offsets. */
  learnedAt(
    progresses: Progresses,
  ): Pick<TrainerStatus, "learnedThroughMs" | "offsets"> {
    const settled = [...progresses].map(([partition, progress]) => {
      return { partition, ...this.settled(partition, progress) };
    });
    const open = settled.filter((each) => !this.#queueOf(each.partition).isOver(each));
    return {
      // The other partitions hold back nothing, unless no partition is left.
      learnedThroughMs: open.length > 0
        ? Math.min(...open.map((each) => each.learnedThroughMs))
        : Math.max(...settled.map((each) => each.learnedThroughMs)),
      offsets: settled.map(({ partition, offset }) => ({ partition, offset })),
    };
  }

  /**
   * The partitions without a chunk that keep the trainer from the next one. Empty where the chunks
   * that wait have no rows.
   *
   * @param state.isFlightOpen Whether batches in flight wait for the chunk after them.
   */
  lacking({ isFlightOpen }: { readonly isFlightOpen: boolean }): LackingPartition[] {
    const next = this.#next();
    if (next === undefined || !isFlightOpen && !this.#queues.some(({ hasRows }) => hasRows)) {
      return [];
    }
    const order = orderOf(next.read.chunk);
    const orderedAtMs = Math.max(...this.#queues.map((queue) => queue.orderedAtMs));
    return this.#queues
      .filter((queue) => queue.head === undefined && !queue.hasPassed(order))
      .map(({ partition, nextOffset }) => ({ partition, offset: nextOffset, orderedAtMs }));
  }

  /** Reads until enough batches wait. True when no chunk can be taken before an append. */
  async read(): Promise<boolean> {
    const { chunksPerRead, batchRows, rowsWaitingMax } = this.#options;
    const rowsMax = rowsWaitingMax / this.#queues.length;
    const chunksMax = Math.max(1, Math.min(chunksPerRead, Math.floor(rowsMax / batchRows)));
    while (this.#batches.waiting < BATCHES_WAITING && this.#batches.rows < rowsWaitingMax) {
      // Also behind a chunk that waits for its turn: the acceptance marks there may count already,
      // and rows behind chunks without rows tell that other partitions are lacking.
      const wanted = this.#queues.filter(({ rows, mayHaveMore }) => rows < rowsMax && mayHaveMore);
      await Promise.all(wanted.map((queue) => queue.read(chunksMax)));
      const taken = this.#takeChunks();
      if (taken === 0 && wanted.length === 0) {
        this.#logAllSkipped();
        return true;
      }
    }
    return false;
  }

  /** Adds the chunks whose turn it is to the batches; returns how many they are. */
  #takeChunks(): number {
    let taken = 0;
    for (let next = this.#next(); next !== undefined && this.#isTurnOf(next); next = this.#next()) {
      next.queue.take();
      this.#add(next.queue.partition, next.read);
      taken++;
    }
    return taken;
  }

  /** The chunk of the lowest order among those that wait. */
  #next(): { readonly queue: PartitionQueue; readonly read: ReadChunk } | undefined {
    let next: { readonly queue: PartitionQueue; readonly read: ReadChunk } | undefined;
    for (const queue of this.#queues) {
      const read = queue.head;
      if (read === undefined) continue;
      if (next === undefined || orderOf(read.chunk) < orderOf(next.read.chunk)) {
        next = { queue, read };
      }
    }
    return next;
  }

  /** Whether no partition can bring a chunk of a lower order. */
  #isTurnOf({ read }: { readonly read: ReadChunk }): boolean {
    const order = orderOf(read.chunk);
    return this.#queues.length === 1 ||
      this.#queues.every((queue) => queue.head !== undefined || queue.hasPassed(order));
  }

  #add(partition: number, { chunk, offset, checksum }: ReadChunk): void {
    const { rows } = chunk;
    if (rows > 0) this.#filled.add(partition);
    if (this.#batches.add(partition, chunk, offset, checksum)) {
      if (rows > 0) this.#logSkipped(partition);
      return;
    }
    const skipped = this.#skipped.get(partition) ?? { chunks: 0, rows: 0, offset };
    skipped.chunks++;
    skipped.rows += rows;
    this.#skipped.set(partition, skipped);
    this.#parts.onSkipped(rows);
  }

  #logAllSkipped(): void {
    for (const partition of this.#skipped.keys()) this.#logSkipped(partition);
  }

  /** Logs once for a run of skipped chunks, however long. */
  #logSkipped(partition: number): void {
    const skipped = this.#skipped.get(partition);
    if (skipped === undefined) return;
    const message = `${this.#options.name} skipped examples of another schema`;
    this.#parts.telemetry.log("warn", message, { partition, ...skipped });
    this.#skipped.delete(partition);
  }

  #queueOf(partition: number): PartitionQueue {
    const queue = this.#queues.find((each) => each.partition === partition);
    return present(queue, "a trainer reads its own partitions");
  }
}
