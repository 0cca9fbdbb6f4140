/**
 * Reads the trainer's partition of the example log ahead of training, as batches.
 */
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import { decodeExamples } from "../../records/example_chunk.ts";
import { invariant } from "../../structures/invariant.ts";
import { ChunkBatches, type RowRange } from "./chunk_batches.ts";
import type { TrainerOptions } from "./options.ts";
import type { Erasing, ExampleBatch, Progress } from "./example_batch.ts";

/** Batches that wait before reading pauses: more than can be in flight. */
const BATCHES_WAITING = 8;

export interface ExampleReaderParts {
  readonly log: EventLog;
  readonly telemetry: Telemetry;
  /** Called with the rows of each chunk of another schema. */
  onSkipped(rows: number): void;
}

export class ExampleReader {
  readonly #options: TrainerOptions;
  readonly #parts: ExampleReaderParts;
  readonly #batches: ChunkBatches;
  #nextOffset: number;
  /** The chunks skipped in a row, the first at `offset`; undefined when they are logged. */
  #skipped: { chunks: number; rows: number; readonly offset: number } | undefined;

  /** Parameters as in {@link ChunkBatches}. */
  constructor(
    options: TrainerOptions,
    parts: ExampleReaderParts,
    start?: Progress,
    marks?: readonly number[],
    skipped?: readonly RowRange[],
  ) {
    this.#options = options;
    this.#parts = parts;
    this.#batches = new ChunkBatches(options, start, marks, skipped);
    this.#nextOffset = start?.offset ?? 0;
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

  /** The progress when everything that waits is learned and erased. */
  get progress(): Progress {
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

  /** Gives batches back that were taken last; they are the next ones again. */
  putBack(batches: readonly ExampleBatch[]): void {
    this.#batches.putBack(batches);
  }

  /** Reads until enough batches wait. True when the end of the log was reached. */
  async read(): Promise<boolean> {
    const { partition, chunksPerRead, batchRows, rowsWaitingMax } = this.#options;
    const chunksMax = Math.max(1, Math.min(chunksPerRead, Math.floor(rowsWaitingMax / batchRows)));
    while (this.#batches.waiting < BATCHES_WAITING && this.#batches.rows < rowsWaitingMax) {
      const records = await this.#parts.log.read(partition, this.#nextOffset, chunksMax);
      for (const { offset, bytes } of records) this.#add(offset, bytes);
      if (records.length < chunksMax) {
        this.#logSkipped();
        return true;
      }
    }
    return false;
  }

  #add(offset: number, bytes: Uint8Array): void {
    invariant(offset >= this.#nextOffset, "records of the example log ascend");
    this.#nextOffset = offset + 1;
    const chunk = decodeExamples(bytes);
    const { rows } = chunk;
    if (this.#batches.add(chunk, offset)) {
      if (rows > 0) this.#logSkipped();
      return;
    }
    this.#skipped ??= { chunks: 0, rows: 0, offset };
    this.#skipped.chunks++;
    this.#skipped.rows += rows;
    this.#parts.onSkipped(rows);
  }

  /** Logs once for a run of skipped chunks, however long. */
  #logSkipped(): void {
    if (this.#skipped === undefined) return;
    const message = `${this.#options.source} skipped examples of another schema`;
    this.#parts.telemetry.log("warn", message, this.#skipped);
    this.#skipped = undefined;
  }
}
