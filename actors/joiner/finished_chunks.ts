/**
 * The finished chunks of one partition, until the example log has them or they are dropped.
 */
import type { AppendFence, EventLog } from "../../mesh/ports/event_log.ts";
import { encodeExamples, type ExampleChunk, nextRowOf } from "../../records/example_chunk.ts";
import type { Forgotten } from "../../records/forgotten.ts";
import type { JoinerPosition } from "../../records/joiner_position.ts";
import { invariant, present } from "../../structures/invariant.ts";
import type { ClaimedPartition } from "./claimed_partition.ts";

export class FinishedChunks {
  readonly #log: EventLog;
  readonly #partition: number;
  /** The epoch of this writer, 0 for the only process, and the end of the partition. */
  #fence: AppendFence;
  #waiting: Uint8Array[] = [];
  /** Erasures of the waiting chunks, a list for each chunk that has them. */
  #forgets: (readonly Forgotten[])[] = [];
  #position: JoinerPosition;
  #written: JoinerPosition;
  #nextRow: number;
  #nextRowWritten: number;

  /** @param position That of the newest chunk of the log, or of an empty partition. */
  constructor(
    log: EventLog,
    { partition, fence, last }: ClaimedPartition,
    position: JoinerPosition,
  ) {
    this.#log = log;
    this.#partition = partition;
    this.#fence = fence;
    this.#position = this.#written = position;
    this.#nextRow = this.#nextRowWritten = last === undefined ? 0 : nextRowOf(last);
  }

  /** Chunks that wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Position of the newest chunk. */
  get position(): JoinerPosition {
    return this.#position;
  }

  /** Position of the newest written chunk, or dropped one. */
  get written(): JoinerPosition {
    return this.#written;
  }

  /** Number of the row after those of the newest chunk. */
  get nextRow(): number {
    return this.#nextRow;
  }

  /** Number of the row after those of the newest written chunk. */
  get nextRowWritten(): number {
    return this.#nextRowWritten;
  }

  /** Offset behind the newest chunk. */
  get endOffset(): number {
    return this.writtenTo + this.#waiting.length;
  }

  /** Offset behind the newest written chunk. */
  get writtenTo(): number {
    return this.#fence.expectedOffset;
  }

  /** Adds a chunk behind the newest one. */
  add(chunk: ExampleChunk): void {
    this.#position = present(chunk.resume, "a chunk of a joiner has its position");
    this.#nextRow = nextRowOf(chunk);
    this.#waiting.push(encodeExamples(chunk));
    if (chunk.forget !== undefined) this.#forgets.push(chunk.forget);
  }

  /** Appends the waiting chunks; see {@link ExamplePartition.write}. */
  async write(): Promise<number> {
    const chunks = this.#waiting.length;
    if (chunks === 0) return 0;
    await this.#log.append(this.#partition, this.#waiting, "durable", this.#fence);
    const { epoch, expectedOffset } = this.#fence;
    this.#fence = { epoch, expectedOffset: expectedOffset + chunks };
    this.#waiting = [];
    const hasForget = this.#forgets.length > 0;
    this.#forgets = [];
    this.#written = this.#position;
    this.#nextRowWritten = this.#nextRow;
    // The records that an erasure removes must not share a segment with later chunks.
    if (hasForget) await this.#log.roll?.(this.#partition);
    return chunks;
  }

  /**
   * Drops the waiting chunks. Their row numbers go to the next rows, and the log may be trimmed as
   * if they were written.
   *
   * @returns Their rows, and their erasures, which another chunk has to carry.
   */
  drop(): { readonly rows: number; readonly forgets: readonly Forgotten[] } {
    const rows = this.#nextRow - this.#nextRowWritten - this.#forgets.length;
    invariant(rows >= 0 && (rows === 0 || this.#waiting.length > 0), "waiting rows are in chunks");
    const forgets = this.#forgets.flat();
    this.#forgets = [];
    this.#waiting = [];
    this.#written = this.#position;
    this.#nextRow = this.#nextRowWritten;
    return { rows, forgets };
  }
}
