/**
 * One partition of the example log, as the joiner writes it: one trainer reads it.
 *
 * Every chunk says how far into the event log its partition reaches. A crash may fall between two partitions' appends,
 * and then one of them has what another lacks: the joiner reads again from where the last one needs it, and each
 * partition leaves out what it has.
 */
import type { ExampleShape } from "../../kernels/features/feature_batch.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { decodeExamples, encodeExamples } from "../../records/example_chunk.ts";
import type { JoinerPosition } from "../../records/joiner_position.ts";
import { ExampleChunkBuilder } from "./example_chunks.ts";

/** Before anything was written. */
const BEGINNING: JoinerPosition = { eventOffset: 0, replayOffset: 0, replayClockMs: 0 };

export class ExamplePartition {
  readonly #log: EventLog;
  readonly #partition: number;
  readonly #builder: ExampleChunkBuilder;
  /** Where the newest chunk stood when the joiner started. */
  readonly start: JoinerPosition;
  #waiting: Uint8Array[] = [];
  #resumeOffset: number;
  #resumeOffsetWritten: number;

  private constructor(
    log: EventLog,
    partition: number,
    shape: ExampleShape,
    start: JoinerPosition,
    nextRow: number,
  ) {
    this.#log = log;
    this.#partition = partition;
    this.start = start;
    this.#resumeOffset = this.#resumeOffsetWritten = start.replayOffset;
    this.#builder = new ExampleChunkBuilder(shape, nextRow);
  }

  /** Goes on after the newest chunk of the partition, or at the beginning. */
  static async open(
    log: EventLog,
    partition: number,
    shape: ExampleShape,
  ): Promise<ExamplePartition> {
    const last = await lastChunk(log, partition);
    const nextRow = last === undefined ? 0 : last.firstRow + last.rows;
    // Without a position batch training wrote last: the event log has not been read yet.
    return new ExamplePartition(log, partition, shape, last?.resume ?? BEGINNING, nextRow);
  }

  /** Rows of the chunk that is being made. */
  get rows(): number {
    return this.#builder.rows;
  }

  /** Chunks that are made and not yet written. */
  get chunksWaiting(): number {
    return this.#waiting.length;
  }

  /** From where a restart would read again for this partition, by the newest chunk written. */
  get resumeOffset(): number {
    return this.#resumeOffsetWritten;
  }

  /**
   * Takes an example that the record at `recordOffset` decided; undefined where the partition has it already: it was
   * decided by an earlier record, or its impression was closed.
   */
  openFor(impressionOffset: number, recordOffset: number): ExampleChunkBuilder | undefined {
    const { eventOffset, replayOffset } = this.start;
    return recordOffset < eventOffset || impressionOffset < replayOffset
      ? undefined
      : this.#builder;
  }

  /** Makes a chunk of what came, also of nothing: then it carries the mark and the position on. */
  finishChunk(acceptedAtMs: number, position: JoinerPosition): void {
    const { start } = this;
    if (position.eventOffset < start.eventOffset) return; // what the partition has reaches further
    // Impressions before the start's are closed here, also where another partition needs them opened again.
    const resume = position.replayOffset < start.replayOffset
      ? { ...start, eventOffset: position.eventOffset }
      : position;
    this.#resumeOffset = resume.replayOffset;
    this.#waiting.push(encodeExamples(this.#builder.finish(acceptedAtMs, resume)));
  }

  /** Appends what waits. */
  async write(): Promise<void> {
    if (this.#waiting.length === 0) return;
    await this.#log.append(this.#partition, this.#waiting);
    this.#waiting = [];
    this.#resumeOffsetWritten = this.#resumeOffset;
  }
}

async function lastChunk(exampleLog: EventLog, partition: number) {
  const end = await exampleLog.endOffset(partition);
  if (end === 0) return undefined;
  const [record] = await exampleLog.read(partition, end - 1, 1);
  if (record === undefined) {
    throw new Error(
      `Cannot resume joining: the example log's partition ${partition} ends at ${end} and its last record was ` +
        `trimmed, so where the joiner stopped is unknown. Trim the example log to before its last record only.`,
    );
  }
  return decodeExamples(record.bytes);
}
