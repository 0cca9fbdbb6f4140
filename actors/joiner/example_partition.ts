/**
 * One partition of the example log, as the joiner writes it for one trainer.
 *
 * A chunk is a training batch: it is finished at exactly `batchRows` rows, or when its oldest row
 * has waited `lingerMs` and the trainer has taken the chunks with rows before. So a trainer that is
 * behind gets few and large batches. The batches of a trainer are thereby part of the log, and a
 * replay trains on the same ones.
 *
 * Every chunk says how far into the event log its partition reaches: a {@link JoinMoment}, and the
 * number of examples of that moment that this chunk and earlier ones have (`rowsAfter`). A crash
 * between the appends of two partitions leaves one of them behind the other: the joiner then reads
 * again from the lowest position, and each partition drops the examples that it has.
 */
import type { ExampleColumns } from "../../kernels/features/schema_fingerprint.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import { ACCEPTANCE_STEP_MS, type EventLog } from "../../mesh/ports/event_log.ts";
import type { TraceContext } from "../../mesh/ports/tracing.ts";
import { TraceLinks } from "../../mesh/runtime/trace_links.ts";
import type { ExampleChunk } from "../../records/example_chunk.ts";
import type { Forgotten } from "../../records/forgotten.ts";
import type { JoinerPosition } from "../../records/joiner_position.ts";
import { invariant } from "../../structures/invariant.ts";
import { beginOf, type ClaimedPartition } from "./claimed_partition.ts";
import { ExampleChunkBuilder } from "./example_chunk_builder.ts";
import { FinishedChunks } from "./finished_chunks.ts";
import type { JoinMoment } from "./join_moment.ts";

/**
 * Longest further wait for a trainer that is behind, ms. It passes where the trainer is away or its
 * message was lost, so it bounds a delay in the one case and the number of chunks in the other.
 */
const BEHIND_MS_MAX = 500;

/** When a chunk is finished. */
export interface ChunkLimits {
  readonly batchRows: number;
  /** Longest wait of a row for its chunk to fill, where the trainer is not behind, ms. */
  readonly lingerMs: number;
}

/** The state of a partition before its first chunk. */
export interface Beginning {
  readonly position: JoinerPosition;
  /** Its first chunk has a higher order, ms. */
  readonly orderedAtMs: number;
}

/** The parts of a partition that all partitions of a joiner share. */
export interface ExamplePartitionParts {
  readonly log: EventLog;
  readonly columns: ExampleColumns;
  readonly limits: ChunkLimits;
  readonly clock: Pick<Clock, "nowMs">;
}

export class ExamplePartition {
  readonly #limits: ChunkLimits;
  readonly #chunks: FinishedChunks;
  readonly #builder: ExampleChunkBuilder;
  /** Position of the newest chunk when the joiner started. */
  readonly start: JoinerPosition;
  /** Erasures of dropped chunks, which go into the next one. */
  #forgetsDropped: readonly Forgotten[] = [];
  /** Traces of the chunks that were finished since {@link takeTraces}. */
  readonly #traces = new TraceLinks();
  /** The acceptance mark of the newest finished chunk, ms. */
  #acceptedAtMs: number;
  /** The acceptance mark before the first row of the unfinished chunk, ms. */
  #acceptedBeforeMs = 0;
  readonly #clock: Pick<Clock, "nowMs">;
  /** The order of the newest finished chunk, ms. */
  #orderedAtMs: number;
  /** The order that a trainer waits for and no chunk has reached, ms; undefined where none does. */
  #awaitedMs: number | undefined;
  /** The moment whose examples are being added. */
  #moment: JoinMoment | undefined;
  /**
   * Examples of that moment that belong to this partition so far, written or not. A chunk that is
   * full between two of them stores their number, so that a restart drops as many.
   */
  #rowsAfter = 0;
  /** The first examples of that moment that the example log has already. */
  #dropped = 0;
  /** Whether the newest chunk is full, so that a trainer waits for the chunk after it. */
  #isAwaited: boolean;
  /** Whether the newest finished chunk is the last one of the partition. */
  #isEnded: boolean;
  /** Offset behind the newest finished chunk with rows. */
  #rowsBefore = 0;
  /** The trainer has taken all chunks before this offset, as far as it has told. */
  #takenBefore = 0;
  /** When the next chunk has waited `lingerMs`, on the monotonic clock. */
  #dueAtMs: number | undefined;

  /**
   * Continues after the newest chunk of the partition, or at the beginning of an empty one.
   *
   * @param beginning The state of an empty partition.
   */
  constructor(
    { log, columns, limits, clock }: ExamplePartitionParts,
    claimed: ClaimedPartition,
    beginning: Beginning,
  ) {
    const { last } = claimed;
    this.#limits = limits;
    // A chunk of offline training has no position: no event was read yet.
    this.start = last?.resume ?? beginning.position;
    this.#chunks = new FinishedChunks(log, claimed, this.start);
    this.#builder = new ExampleChunkBuilder(columns, this.#chunks.nextRow);
    this.#acceptedAtMs = last?.acceptedAtMs ?? 0;
    this.#orderedAtMs = last?.orderedAtMs ?? beginning.orderedAtMs;
    this.#clock = clock;
    this.#isAwaited = last !== undefined && last.rows >= limits.batchRows;
    this.#isEnded = last?.ended === true;
  }

  /** Traces of the chunks that were finished since the last call. */
  takeTraces(): readonly TraceContext[] {
    return this.#traces.take() ?? [];
  }

  /** Rows of the unfinished chunk. */
  get rows(): number {
    return this.#builder.rows;
  }

  /** Rows that are not written, of finished chunks and of the unfinished one. */
  get rowsWaiting(): number {
    return this.#builder.nextRow - this.#chunks.nextRowWritten;
  }

  /** Finished chunks that are not written. */
  get chunksWaiting(): number {
    return this.#chunks.length;
  }

  /** Offset from which a restart would read again for this partition. */
  get retainedOffset(): number {
    return beginOf(this.#chunks.written).offset;
  }

  /** Whether the partition has a chunk, or its first ones were dropped. */
  get isBegun(): boolean {
    return this.#chunks.writtenTo > 0 || this.#chunks.written !== this.start;
  }

  /** When {@link endTurn} would finish the unfinished chunk, on the monotonic clock, ms. */
  get dueAtMs(): number {
    if (this.#dueAtMs === undefined) return Infinity;
    return this.#isTrainerBehind ? this.#dueAtMs + BEHIND_MS_MAX : this.#dueAtMs;
  }

  /**
   * The builder for the next example of `moment`; undefined if the partition has the example: an
   * earlier record decided it, its impression was closed, or the newest chunk at the start ended
   * behind it in the middle of an impression.
   *
   * @param closedOffset Offset of the impression that the example closes with; undefined for a late
   * example.
   */
  builderFor(
    closedOffset: number | undefined,
    moment: JoinMoment,
  ): ExampleChunkBuilder | undefined {
    const { start } = this;
    const isClosed = closedOffset !== undefined && closedOffset < start.replayOffset;
    if (isClosed || moment.eventOffset < start.eventOffset) return undefined;
    if (moment !== this.#moment) {
      // Only the first moment after the start can be one whose examples were split.
      this.#dropped = this.#moment === undefined && moment.eventOffset === start.eventOffset
        ? start.rowsAfter
        : 0;
      this.#moment = moment;
      this.#rowsAfter = 0;
    }
    this.#rowsAfter++;
    if (this.#rowsAfter <= this.#dropped) return undefined;
    if (this.rows >= this.#limits.batchRows && moment.repeatable) {
      this.#finish(moment, this.#rowsAfter - 1);
    }
    if (this.rows === 0) this.#acceptedBeforeMs = moment.acceptedAtMs;
    return this.#builder;
  }

  /** Finishes the chunk if it is full. `moment` is the one after its last row. */
  finishFull(moment: JoinMoment): void {
    if (this.rows >= this.#limits.batchRows) this.finishChunk(moment);
  }

  /**
   * Lets {@link endTurn} finish an empty chunk of this order or a later one, so that a trainer of
   * several partitions need not wait for this one. A chunk that the trainer has not read, or that
   * is being filled, comes instead.
   *
   * @param offset The trainer has read all chunks before it.
   */
  reach(offset: number, orderedAtMs: number): void {
    if (this.#isEnded || this.#chunks.writtenTo > offset || this.rowsWaiting > 0) return;
    this.#awaitedMs = Math.max(this.#awaitedMs ?? 0, orderedAtMs);
  }

  /** The trainer has taken all chunks before an offset. Rows need not wait for it any more. */
  taken(offset: number): void {
    this.#takenBefore = Math.max(this.#takenBefore, offset);
  }

  /** Whether a chunk with rows waits for the trainer: another one would be a batch of its own. */
  get #isTrainerBehind(): boolean {
    return this.#takenBefore < this.#rowsBefore;
  }

  /**
   * Finishes a chunk that is full or has waited long enough. Without rows, an empty chunk carries
   * a later acceptance mark or a later order, or ends the wait of a trainer for the chunk after a
   * full one.
   */
  endTurn(moment: JoinMoment, nowMs: number): void {
    if (this.#isEnded) return;
    const { batchRows, lingerMs } = this.#limits;
    const carriesMark = moment.acceptedAtMs > this.#acceptedAtMs;
    const isWanted = carriesMark || this.#awaitedMs !== undefined ||
      this.#forgetsDropped.length > 0;
    if (this.rows === 0 && isWanted) {
      this.finishChunk(moment);
    }
    const isRead = moment.eventOffset >= this.start.eventOffset;
    if (this.rows === 0 && !(this.#isAwaited && isRead)) return;
    this.#dueAtMs ??= nowMs + lingerMs;
    if (this.rows >= batchRows || nowMs >= this.dueAtMs) this.finishChunk(moment);
  }

  /** Finishes the chunk. Without rows it still carries the acceptance mark and the position on. */
  finishChunk(moment: JoinMoment): void {
    const { start } = this;
    if (this.#isEnded) return;
    if (moment.eventOffset < start.eventOffset) {
      invariant(this.rows === 0, "rows read again for another partition are not written again");
      return;
    }
    // The start's position remains the right one until its first examples are decided again.
    const isStart = this.#moment === undefined && moment.eventOffset === start.eventOffset;
    if (isStart && start.rowsAfter > 0) return;
    this.#finish(moment, 0);
  }

  /** Whether {@link end} was called, in this incarnation or before, and its chunk not dropped. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Finishes the last chunk of the partition, without rows. `moment` is behind all records. */
  end(moment: JoinMoment): void {
    if (this.#isEnded) return;
    if (this.rows > 0 || this.#forgetsDropped.length > 0) this.#finish(moment, 0);
    this.#isEnded = true;
    this.#finish(moment, 0);
  }

  /**
   * Finishes a chunk with erasures, behind the rows that were decided before them. `moment` is the
   * one after their record, which another incarnation may have joined before.
   */
  forget(forget: readonly Forgotten[], moment: JoinMoment): void {
    if (moment.eventOffset <= this.start.eventOffset) return;
    this.#finishForget(forget, moment.acceptedAtMs, this.#positionAt(moment, 0));
  }

  #finish(moment: JoinMoment, rowsAfter: number): void {
    const resume = this.#positionAt(moment, rowsAfter);
    const acceptedBeforeMs = this.#markBefore(moment);
    this.#acceptedAtMs = Math.max(this.#acceptedAtMs, moment.acceptedAtMs);
    this.#isAwaited = this.rows >= this.#limits.batchRows;
    const chunk = this.#builder.finish(this.#acceptedAtMs, resume);
    this.#traces.addAll(chunk.traces);
    const orderedAtMs = this.#nextOrder();
    const ended = this.#isEnded ? { ended: true } as const : {};
    this.#chunks.add({ ...chunk, ...acceptedBeforeMs, orderedAtMs, ...ended });
    if (chunk.rows > 0) this.#rowsBefore = this.#chunks.endOffset;
    this.#dueAtMs = undefined;
    if (this.#forgetsDropped.length === 0) return;
    this.#finishForget(this.#forgetsDropped, moment.acceptedAtMs, resume);
    this.#forgetsDropped = [];
  }

  #finishForget(forget: readonly Forgotten[], acceptedAtMs: number, resume: JoinerPosition): void {
    this.#acceptedAtMs = Math.max(this.#acceptedAtMs, acceptedAtMs);
    this.#isAwaited = false;
    const chunk = this.#builder.finishForget(forget, this.#acceptedAtMs, resume);
    this.#chunks.add({ ...chunk, orderedAtMs: this.#nextOrder() });
    this.#dueAtMs = undefined;
  }

  /** The mark that counts before the rows of the unfinished chunk are learned, if it tells more. */
  #markBefore({ acceptedAtMs }: JoinMoment): Pick<ExampleChunk, "acceptedBeforeMs"> {
    const acceptedBeforeMs = this.#acceptedBeforeMs;
    const tellsMore = this.rows > 0 && acceptedBeforeMs > this.#acceptedAtMs;
    return tellsMore && acceptedBeforeMs < acceptedAtMs ? { acceptedBeforeMs } : {};
  }

  /** The order of the next chunk, ms. */
  #nextOrder(): number {
    const after = this.#orderedAtMs + ACCEPTANCE_STEP_MS;
    this.#orderedAtMs = Math.max(this.#clock.nowMs(), after, this.#awaitedMs ?? 0);
    this.#awaitedMs = undefined;
    return this.#orderedAtMs;
  }

  /** The position of a chunk that is finished now. */
  #positionAt({ eventOffset, ...replay }: JoinMoment, rowsAfter: number): JoinerPosition {
    const { start } = this;
    // This partition is complete up to its start; keep that, even if another one needs an earlier
    // replay offset.
    const isBehind = replay.replayOffset < start.replayOffset;
    const { replayOffset, replayClockMs } = isBehind ? start : replay;
    const { retained, positives, early } = replay;
    const openFrom = isBehind
      ? { offset: replay.replayOffset, clockMs: replay.replayClockMs }
      : undefined;
    const { position } = this.#chunks;
    invariant(replayOffset <= eventOffset, "reading again ends where it began");
    invariant(
      eventOffset >= position.eventOffset && replayOffset >= position.replayOffset,
      "the joiner's position never goes back",
    );
    return {
      eventOffset,
      replayOffset,
      replayClockMs,
      rowsAfter,
      ...(openFrom && { openFrom }),
      ...(retained && { retained }),
      ...(positives && { positives }),
      ...(early && { early: early.actions() }),
    };
  }

  /**
   * Appends the finished chunks.
   *
   * @returns How many they are.
   * @throws {LogFullError | LogUnavailableError} When the log takes nothing now; the chunks wait.
   * @throws {StaleWriterError} Another joiner has the partition: this one must stop.
   * @throws {LogOffsetError} An append of which no answer came was made: the joiner must begin
   * anew at the newest chunk.
   */
  write(): Promise<number> {
    return this.#chunks.write();
  }

  /**
   * Drops the finished chunks. Their row numbers go to the next rows, and the event log may be
   * trimmed as if they were written. Erasures are left for the next chunk.
   *
   * @returns The rows dropped.
   */
  drop(): number {
    // The last chunk is dropped with the others, and has to be finished again.
    if (this.#chunks.length > 0) this.#isEnded = false;
    const { rows, forgets } = this.#chunks.drop();
    this.#forgetsDropped = [...this.#forgetsDropped, ...forgets];
    this.#rowsBefore = Math.min(this.#rowsBefore, this.#chunks.endOffset);
    this.#builder.renumber(this.#chunks.nextRow);
    return rows;
  }
}
