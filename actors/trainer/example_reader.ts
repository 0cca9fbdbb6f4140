/**
 * Reads the trainer's partition of the example log into a {@link BatchAssembly}, and skips the
 * examples of another schema at its beginning: the log may be older than the configuration.
 */
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import { decodeExamples, type ExampleChunk } from "../../records/example_chunk.ts";
import { invariant } from "../../structures/invariant.ts";
import { BatchAssembly } from "./batch_assembly.ts";
import type { TrainerOptions } from "./options.ts";

export interface ExampleReaderParts {
  readonly log: EventLog;
  readonly telemetry: Telemetry;
  /**
   * Called for each chunk of another schema.
   *
   * @param sequence Rows of the partition up to the chunk's end.
   * @param offset Log offset after the chunk.
   */
  onSkipped(chunk: ExampleChunk, sequence: number, offset: number): void;
}

export class ExampleReader {
  readonly assembly: BatchAssembly;
  readonly #options: TrainerOptions;
  readonly #parts: ExampleReaderParts;
  #nextOffset: number;
  /** The chunks skipped in a row, the first at `offset`; undefined when they are logged. */
  #skipped: { chunks: number; rows: number; readonly offset: number } | undefined;

  /**
   * @param start Where to begin: rows before `sequence` are learned. Default: the log's beginning.
   */
  constructor(
    options: TrainerOptions,
    parts: ExampleReaderParts,
    start?: { readonly offset: number; readonly sequence: number },
  ) {
    this.#options = options;
    this.#parts = parts;
    this.assembly = new BatchAssembly(options, start?.sequence);
    this.#nextOffset = start?.offset ?? 0;
  }

  /** Reads until enough rows wait. True when the end of the log was reached. */
  async read(): Promise<boolean> {
    const { partition, chunksPerRead, batchRows, rowsWaitingMax } = this.#options;
    while (this.assembly.rows < Math.min(2 * batchRows, rowsWaitingMax)) {
      const records = await this.#parts.log.read(partition, this.#nextOffset, chunksPerRead);
      for (const { offset, bytes } of records) {
        invariant(offset >= this.#nextOffset, "records of the example log ascend");
        const chunk = decodeExamples(bytes);
        if (!this.assembly.add(chunk, offset)) this.#skip(chunk, offset);
        else if (chunk.rows > 0) this.#logSkipped();
        this.#nextOffset = offset + 1;
      }
      if (records.length < chunksPerRead) {
        this.#logSkipped();
        return true;
      }
    }
    return false;
  }

  #skip(chunk: ExampleChunk, offset: number): void {
    this.#skipped ??= { chunks: 0, rows: 0, offset };
    this.#skipped.chunks++;
    this.#skipped.rows += chunk.rows;
    this.#parts.onSkipped(chunk, chunk.firstRow + chunk.rows, offset + 1);
  }

  /** Logs once for a run of skipped chunks, however long. */
  #logSkipped(): void {
    if (this.#skipped === undefined) return;
    const message = `${this.#options.source} skipped examples of another schema`;
    this.#parts.telemetry.log("warn", message, this.#skipped);
    this.#skipped = undefined;
  }
}
