/**
 * One partition of the example log, as the joiner writes it for one trainer.
 *
 * Every chunk says how far into the event log its partition reaches. A crash between the appends of
 * two partitions leaves one of them behind the other: the joiner then reads again from the lowest
 * position, and each partition drops the examples that it has.
 */
import type { ExampleShape } from "../../kernels/features/feature_batch.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { decodeExamples, encodeExamples, type ExampleChunk } from "../../records/example_chunk.ts";
import type { JoinerPosition } from "../../records/joiner_position.ts";
import { invariant } from "../../structures/invariant.ts";
import { ExampleChunkBuilder } from "./example_chunks.ts";

/** The position before anything was written. */
const BEGINNING: JoinerPosition = { eventOffset: 0, replayOffset: 0, replayClockMs: 0 };

export class ExamplePartition {
  readonly #log: EventLog;
  readonly #partition: number;
  readonly #builder: ExampleChunkBuilder;
  /** Position of the newest chunk when the joiner started. */
  readonly start: JoinerPosition;
  #waiting: Uint8Array[] = [];
  /** Position of the newest finished chunk. */
  #finished: JoinerPosition;
  /** Position of the newest written chunk. */
  #written: JoinerPosition;

  private constructor(
    log: EventLog,
    partition: number,
    builder: ExampleChunkBuilder,
    start: JoinerPosition,
  ) {
    this.#log = log;
    this.#partition = partition;
    this.#builder = builder;
    this.start = this.#finished = this.#written = start;
  }

  /**
   * Continues after the newest chunk of the partition, or at the beginning of an empty one.
   *
   * @throws {Error} When the newest chunk was trimmed.
   */
  static async open(
    log: EventLog,
    partition: number,
    shape: ExampleShape,
  ): Promise<ExamplePartition> {
    const last = await newestChunk(log, partition);
    const nextRow = last === undefined ? 0 : last.firstRow + last.rows;
    // A chunk of offline training has no position: no event was read yet.
    const start = last?.resume ?? BEGINNING;
    return new ExamplePartition(log, partition, new ExampleChunkBuilder(shape, nextRow), start);
  }

  /** Rows of the unfinished chunk. */
  get rows(): number {
    return this.#builder.rows;
  }

  /** Finished chunks that are not written. */
  get chunksWaiting(): number {
    return this.#waiting.length;
  }

  /** Offset from which a restart would read again for this partition. */
  get resumeOffset(): number {
    return this.#written.replayOffset;
  }

  /**
   * The builder for an example that the record at `recordOffset` decides; undefined if the
   * partition has the example: an earlier record decided it, or its impression was closed.
   */
  builderFor(impressionOffset: number, recordOffset: number): ExampleChunkBuilder | undefined {
    const { eventOffset, replayOffset } = this.start;
    return recordOffset < eventOffset || impressionOffset < replayOffset
      ? undefined
      : this.#builder;
  }

  /** Finishes the chunk. Without rows it still carries the acceptance mark and the position on. */
  finishChunk(acceptedAtMs: number, position: JoinerPosition): void {
    const { start } = this;
    if (position.eventOffset < start.eventOffset) {
      invariant(this.rows === 0, "what is read again for another partition is not written again");
      return;
    }
    // This partition is complete up to its start; keep that, even if another one needs an earlier
    // replay offset.
    const resume = position.replayOffset < start.replayOffset
      ? { ...start, eventOffset: position.eventOffset }
      : position;
    invariant(resume.replayOffset <= resume.eventOffset, "reading again ends where it began");
    invariant(
      resume.eventOffset >= this.#finished.eventOffset &&
        resume.replayOffset >= this.#finished.replayOffset,
      "the joiner's position never goes back",
    );
    this.#finished = resume;
    this.#waiting.push(encodeExamples(this.#builder.finish(acceptedAtMs, resume)));
  }

  /**
   * Appends the finished chunks.
   *
   * @throws {LogFullError | LogUnavailableError} When the log takes nothing now; the chunks wait.
   */
  async write(): Promise<void> {
    if (this.#waiting.length === 0) return;
    await this.#log.append(this.#partition, this.#waiting);
    this.#waiting = [];
    this.#written = this.#finished;
  }
}

async function newestChunk(log: EventLog, partition: number): Promise<ExampleChunk | undefined> {
  const end = await log.endOffset(partition);
  if (end === 0) return undefined;
  const [record] = await log.read(partition, end - 1, 1);
  if (record === undefined) {
    throw new Error(
      `Cannot resume joining: partition ${partition} of the example log ends at offset ${end} and ` +
        `its last record was trimmed, so the joiner's position is lost. Never trim the last record.`,
    );
  }
  return decodeExamples(record.bytes);
}
