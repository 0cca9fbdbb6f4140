/**
 * The chunks of one partition of the example log that a trainer has read and not taken yet.
 */
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { decodeExamples, type ExampleChunk } from "../../records/example_chunk.ts";
import type { LearnedChunk } from "../embedding_shard/protocol.ts";
import type { Progress } from "./example_batch.ts";
import { invariant } from "../../structures/invariant.ts";

/** A chunk as it was read. */
export interface ReadChunk extends LearnedChunk {
  readonly chunk: ExampleChunk;
}

/** Computes the checksums of records. */
export type Checksums = Pick<BatchKernel, "crc32c">;

/** A position before which nothing of a partition is left to learn. */
export type SettledPosition = Pick<Progress, "offset" | "learnedThroughMs">;

export class PartitionQueue {
  readonly partition: number;
  readonly #log: EventLog;
  readonly #kernel: Checksums;
  readonly #chunks: ReadChunk[] = [];
  #nextOffset: number;
  /** Chunks that wait and have rows or erasures. */
  #chunksWithRows = 0;
  #rows = 0;
  /** Order of the newest chunk that was read; -Infinity before the first. */
  #orderedAtMs = -Infinity;
  /** Whether the log may have chunks from `#nextOffset` on. */
  #mayHaveMore = true;
  /** Whether the last chunk of the partition was read, now or before the trainer began. */
  #isEnded = false;
  /** Whether the chunk before the first one to read may be the last one. */
  #mayBeEnded: boolean;
  /** The furthest position that was told. */
  #settled: SettledPosition = { offset: 0, learnedThroughMs: 0 };

  /** @param mayBeEnded Whether the partition is one of an earlier partitioning. */
  constructor(
    { log, kernel }: { readonly log: EventLog; readonly kernel: Checksums },
    partition: number,
    offset: number,
    mayBeEnded = false,
  ) {
    this.#log = log;
    this.#kernel = kernel;
    this.#mayBeEnded = mayBeEnded && offset > 0;
    this.partition = partition;
    this.#nextOffset = offset;
  }

  /** The next chunk, which stays the next one. */
  get head(): ReadChunk | undefined {
    return this.#chunks[0];
  }

  /** Rows of the chunks that wait. */
  get rows(): number {
    return this.#rows;
  }

  /** All chunks before this offset were read. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  /** Whether a read may give chunks. */
  get mayHaveMore(): boolean {
    return this.#mayHaveMore;
  }

  /** Whether some chunk waits that has rows or erasures. */
  get hasRows(): boolean {
    return this.#chunksWithRows > 0;
  }

  /** Chunks that come later have an order above this one, ms. */
  get orderedAtMs(): number {
    return this.#orderedAtMs;
  }

  /** Whether no chunk of a lower order, or of the same one, can come any more. */
  hasPassed(orderedAtMs: number): boolean {
    return this.#isEnded || this.#orderedAtMs >= orderedAtMs;
  }

  /** Whether the partition has ended, and all of it is settled at this position. */
  isOver({ offset }: SettledPosition): boolean {
    return this.#isEnded && offset >= this.#nextOffset;
  }

  /** Notes that chunks were appended. */
  appended(): void {
    this.#mayHaveMore = true;
  }

  /** Reads the next chunks, up to `chunksMax`. */
  async read(chunksMax: number): Promise<void> {
    this.#mayHaveMore = false; // an append meanwhile may be missed by this read
    if (this.#mayBeEnded) await this.#lookForEnd();
    const records = await this.#log.read(this.partition, this.#nextOffset, chunksMax, "follower")
      .catch((error) => {
        this.#mayHaveMore = true;
        throw error;
      });
    for (const { offset, bytes } of records) {
      invariant(offset >= this.#nextOffset, "records of the example log ascend");
      this.#nextOffset = offset + 1;
      const chunk = decodeExamples(bytes);
      this.#chunks.push({ offset, checksum: this.#kernel.crc32c(bytes), chunk });
      this.#rows += chunk.rows;
      if (hasRows(chunk)) this.#chunksWithRows++;
      if (chunk.ended === true) this.#isEnded = true;
      this.#orderedAtMs = Math.max(this.#orderedAtMs, orderOf(chunk));
    }
    if (records.length === chunksMax) this.#mayHaveMore = true;
  }

  /** Reads whether the partition ended before the first chunk to read. */
  async #lookForEnd(): Promise<void> {
    const [before] = await this.#log.read(this.partition, this.#nextOffset - 1, 1);
    const isBefore = before?.offset === this.#nextOffset - 1;
    if (isBefore && decodeExamples(before.bytes).ended === true) this.#isEnded = true;
    this.#mayBeEnded = false;
  }

  /** Takes the next chunk; one waits. */
  take(): ReadChunk | undefined {
    const taken = this.#chunks.shift();
    if (taken === undefined) return undefined;
    this.#rows -= taken.chunk.rows;
    if (hasRows(taken.chunk)) this.#chunksWithRows--;
    return taken;
  }

  /**
   * How far the partition is learned, which does not go back. Where all taken chunks are learned,
   * it is also behind the next chunks that have neither rows nor erasures, and the mark is the one
   * before the rows of the chunk after these.
   *
   * @param progress All taken chunks before it are learned.
   * @param areAllLearned Whether no taken chunk is being learned.
   */
  settled({ offset, learnedThroughMs }: Progress, areAllLearned: boolean): SettledPosition {
    let { offset: settled, learnedThroughMs: markMs } = this.#settled;
    settled = Math.max(settled, offset);
    markMs = Math.max(markMs, learnedThroughMs);
    for (const { offset, chunk } of areAllLearned ? this.#chunks : []) {
      if (hasRows(chunk)) {
        markMs = Math.max(markMs, chunk.acceptedBeforeMs ?? 0);
        break;
      }
      settled = Math.max(settled, offset + 1);
      markMs = Math.max(markMs, chunk.acceptedAtMs);
    }
    return this.#settled = { offset: settled, learnedThroughMs: markMs };
  }
}

/** The order of a chunk among those of all partitions, ms. */
export function orderOf({ orderedAtMs = 0 }: ExampleChunk): number {
  return orderedAtMs;
}

function hasRows({ rows, forget }: ExampleChunk): boolean {
  return rows > 0 || forget !== undefined;
}
