/**
 * When the joiner writes the chunks of a partition: it gathers rows while the trainer is behind,
 * and does not let them wait for a trainer that is not.
 *
 *     ∀ chunk:  rows ≤ batchRows
 *     ∀ chunk of 0 < rows < batchRows, where the trainer has not taken all rows that the same
 *         joiner wrote before it:  written ≥ decided + linger + BEHIND_MS
 *         decided = the time of its first row; behind a full chunk that of the last row of the full
 *         one, because a trainer may wait for the chunk behind it, with or without rows
 *         An erasure, or the end of the partition, ends the wait.
 *     half of the chunks of 0 < rows < batchRows, before any fault and where syncs are fast:
 *         written ≤ decided + linger + CALM_MS
 */
import type { JoinerOptions } from "../../actors/joiner/options.ts";
import type { ChunksTaken } from "../../actors/joiner/protocol.ts";
import type { ExampleChunk } from "../../records/example_chunk.ts";
import type { RunLatencies } from "./prompt_freshness.ts";

/** Longest further wait of a row for a trainer that is behind, ms. */
const BEHIND_MS = 500;
/** Half of the chunks of a calm run wait for no trainer, ms: some 3 ms are usual. */
const CALM_MS = 250;
/** Where the mean sync takes longer, chunks wait for those before them, ms. */
const CALM_SYNC_MS_MAX = 2;
/** Fewer chunks may all be of one burst. */
const MEASURED_MIN = 30;
/** Rounding of times, ms. */
const ROUNDING_MS = 0.01;

/** A chunk that became durable. */
export interface WrittenChunk {
  readonly partition: number;
  readonly offset: number;
  readonly chunk: ExampleChunk;
  /** The chunk behind it that was written with it. */
  readonly next: ExampleChunk | undefined;
  /** When its first row was decided, ms. */
  readonly firstAtMs: number;
  /** When its last row was decided, ms. */
  readonly lastAtMs: number;
  readonly nowMs: number;
}

export class ChunkTiming {
  #batchRows = 0;
  #lingerMs = 0;
  /** The largest of the run: a chunk may become durable after its joiner has died. */
  #batchRowsMax = 0;
  #beganAtMs = 0;
  /** By partition, the newest chunk with rows that is known to be of a joiner that lives. */
  readonly #newest = new Map<number, WrittenChunk>();
  /** By partition, chunks before this offset are taken, as the joiner has heard. */
  readonly #taken = new Map<number, number>();
  #isCalm: boolean;
  readonly #heldMs: number[] = [];

  constructor({ syncMs }: Pick<RunLatencies, "syncMs">) {
    this.#isCalm = syncMs <= CALM_SYNC_MS_MAX;
  }

  /** A joiner begins: it does not know what was taken before. */
  began({ batchRows, lingerMs }: JoinerOptions, nowMs: number): void {
    this.#beganAtMs = nowMs;
    this.#batchRows = batchRows;
    this.#batchRowsMax = Math.max(this.#batchRowsMax, batchRows);
    this.#lingerMs = lingerMs;
    this.#newest.clear();
  }

  taken({ partition, offset }: ChunksTaken): void {
    this.#taken.set(partition, Math.max(this.#taken.get(partition) ?? 0, offset));
  }

  fault(): void {
    this.#isCalm = false;
  }

  /** Returns what is wrong with the chunk. */
  wrote(written: WrittenChunk): string | undefined {
    const { partition, chunk: { rows }, next, firstAtMs, nowMs } = written;
    if (rows === 0) return undefined;
    if (rows > this.#batchRowsMax) return `has ${rows} rows; a batch has ${this.#batchRowsMax}`;
    const before = this.#newest.get(partition);
    // An append of a joiner that crashed may become durable after the next one has begun.
    if (firstAtMs > this.#beganAtMs) this.#newest.set(partition, written);
    if (this.#isFull(rows) || next?.forget !== undefined || next?.ended === true) return undefined;
    const heldMs = nowMs - this.#lingerMs - firstAtMs;
    if (this.#isCalm) this.#heldMs.push(heldMs);
    if (before === undefined || (this.#taken.get(partition) ?? 0) > before.offset) return undefined;
    const earlierMs = this.#isFull(before.chunk.rows) ? firstAtMs - before.lastAtMs : 0;
    if (heldMs + earlierMs >= BEHIND_MS - ROUNDING_MS) return undefined;
    return `has ${rows} of ${this.#batchRows} rows, ${heldMs.toFixed(1)} ms behind its linger, ` +
      `although the trainer has not taken chunk ${before.offset}`;
  }

  #isFull(rows: number): boolean {
    return rows >= this.#batchRows;
  }

  /** Returns what is wrong with the chunks of the run. */
  atEnd(): string | undefined {
    const { length } = this.#heldMs;
    const medianMs = this.#heldMs.sort((a, b) => a - b)[Math.floor(length / 2)];
    if (length < MEASURED_MIN || medianMs <= CALM_MS) return undefined;
    return `half of the chunks that are not full were written ${medianMs.toFixed(0)} ms or more ` +
      `behind their linger; ${CALM_MS} ms are enough without faults`;
  }
}
