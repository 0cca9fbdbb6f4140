/**
 * The joiner's behaviour: reads its partition of the event log, feeds the join window, and appends
 * the decided examples to the example log in chunks, each of which is a batch of a trainer. A
 * partition without new rows gets an empty chunk, which carries the acceptance mark on.
 *
 * Exactly once without a transaction over two logs: each chunk says how far into the event log it
 * reaches, and the window is a function of the event log. After a restart the newest chunks tell
 * where to read again and which examples to drop.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import { ACCEPTANCE_STEP_MS, type EventLog, type LogRecord } from "../../mesh/ports/event_log.ts";
import { showUnread, type UnreadRecords } from "../../mesh/runtime/unread_records.ts";
import { decodeEvent, type EventRecord } from "../../records/event_record.ts";
import { areRowsOf } from "../../records/impression_rows.ts";
import { signatureOf } from "../../records/forgotten.ts";
import { holdCarried } from "./carry_over.ts";
import { ClockLead } from "./clock_lead.ts";
import { EarlierRelease } from "./earlier_release.ts";
import type { ExamplePartitions } from "./example_partitions.ts";
import { ExampleWriter, isNearlyFull } from "./example_writer.ts";
import type { JoinMoment } from "./join_moment.ts";
import { JoinWindow } from "./join_window.ts";
import { type ExampleOutput } from "./row_examples.ts";
import { JoinerMetrics } from "./joiner_metrics.ts";
import { NextTurn } from "./next_turn.ts";
import type { JoinerOptions } from "./options.ts";
import { type JoinerLogs, type OpenedJoiner, openJoiner } from "./opened_joiner.ts";
import type { JoinerMessage } from "./protocol.ts";

const CONSUMER = "joiner";
/** Interval at which the replay offset is committed and the event log trimmed, ms. */
const COMMIT_INTERVAL_MS = 1_000;
/** Pause before an append to an example log that refused one is tried again, ms. */
const REFUSED_RETRY_MS = 500;
/** Share of the records that a restart would need that is given up at a time. */
const GIVEN_UP = 0.25;
/**
 * Chunks of a partition from which the joiner goes on only after an append. The examples of one
 * impression, or of one record, may add more.
 */
const CHUNKS_WAITING_MAX = 8;
/** Time after which a turn ends, ms: many windows may end with one record. */
const TURN_MS_MAX = 10;

export class Joiner implements Behavior<JoinerMessage> {
  readonly #context: ActorContext<JoinerMessage>;
  readonly #options: JoinerOptions;
  readonly #eventLog: EventLog;
  readonly #window: JoinWindow;
  readonly #examples: ExamplePartitions;
  readonly #writer: ExampleWriter;
  readonly #clockLead: ClockLead;
  readonly #unsubscribe: () => void;
  readonly #unread: UnreadRecords;
  readonly #metrics: JoinerMetrics;
  readonly #nextTurn: NextTurn;
  /** Records before this offset are joined. */
  #eventOffset: number;
  /** Records from `#eventOffset` on that were read and not joined. */
  #unjoined: readonly LogRecord[] = [];
  /** The log may have records behind `#unjoined`. */
  #logHasMore = false;
  /** The state before the examples that are being decided. */
  #moment: JoinMoment;
  /** No action that was accepted up to this time is still to be taken in, ms. */
  #acceptedAtMs = 0;
  #recordsInvalid = 0;
  #hasToldOfOtherRows = false;
  #committedAtMs: number;
  #trimmedBefore = 0;
  /** Records before this offset need not be retained for other readers, see `ReleaseRecord`. */
  #releasedBefore = 0;
  /** End of the partition, where it is sealed; Infinity otherwise. */
  readonly #endOffset: number;
  /** Has earlier partitions trimmed; undefined where this one is an earlier one itself. */
  readonly #release: EarlierRelease | undefined;
  /** Whether the host's lease holds; the joiner stands still otherwise. */
  #isLeased = true;
  /** When the turn ends, on the monotonic clock. */
  #turnEndsAtMs = 0;

  private constructor(
    context: ActorContext<JoinerMessage>,
    options: JoinerOptions,
    eventLog: EventLog,
    { examples, endOffset, carryOver, isLast }: OpenedJoiner,
  ) {
    this.#context = context;
    this.#options = options;
    this.#eventLog = eventLog;
    this.#examples = examples;
    this.#writer = new ExampleWriter(examples, eventLog, context);
    const { partition, clockSkewMsMax, clocksApartMsMax } = options;
    const leadMsMax = clockSkewMsMax + clocksApartMsMax;
    this.#clockLead = new ClockLead(context.clock, context.telemetry, leadMsMax, partition);
    this.#endOffset = isLast ? Infinity : endOffset;
    const { begin, decidedInAllBefore, openFrom, positives, early, isSplit } = examples.start;
    this.#window = new JoinWindow(options, {
      clockMs: carryOver?.clockMs ?? begin.clockMs,
      rereadBefore: decidedInAllBefore,
      openFrom,
      positives,
      early,
      // A split moment must be decided as before; a later start corrects the data clock.
      wallMs: isSplit ? Infinity : context.clock.nowMs() + clocksApartMsMax,
      endOffset,
    });
    if (carryOver !== undefined && !examples.isEnded) {
      holdCarried(this.#window, carryOver, begin.offset);
      // A partition without events tells that no earlier event is missing.
      this.#acceptedAtMs = carryOver.acceptedAtMs;
    }
    // Nothing of an ended partition is read again.
    this.#eventOffset = examples.isEnded ? endOffset : Math.max(0, begin.offset);
    this.#release = isLast ? new EarlierRelease(eventLog, options) : undefined;
    this.#moment = this.#momentAt(this.#eventOffset);
    this.#committedAtMs = context.clock.monotonicMs();
    this.#metrics = new JoinerMetrics(context.telemetry, this.#window.counts, partition);
    this.#nextTurn = new NextTurn(context);
    this.#unsubscribe = eventLog.onAppended(partition, () => this.#nextTurn.now());
    this.#unread = showUnread(
      context,
      { name: "events", log: eventLog },
      () => [{ partition, offset: this.#eventOffset }],
    );
    this.#nextTurn.now();
  }

  static async start(
    context: ActorContext<JoinerMessage>,
    options: JoinerOptions,
    logs: JoinerLogs,
  ): Promise<Joiner> {
    return new Joiner(context, options, logs.eventLog, await openJoiner(context, options, logs));
  }

  async receive(message: JoinerMessage): Promise<void> {
    switch (message.kind) {
      case "eventsAppended":
        this.#nextTurn.begin();
        if (this.#isLeased) await this.#join();
        return;
      case "setLeased":
        this.#isLeased = message.isLeased;
        if (this.#isLeased) this.#nextTurn.now();
        return;
      case "reach":
        this.#examples.reach(message.partition, message.offset, message.orderedAtMs);
        return this.#nextTurn.now();
      case "chunksTaken":
        this.#examples.taken(message.partition, message.offset);
        return this.#awaitDueChunk();
      case "getStatus":
        return this.#context.reply(message, {
          ...this.#window.counts,
          impressionsOpen: this.#window.impressionsOpen,
          impressionsDecided: this.#window.impressionsHeld - this.#window.impressionsOpen,
          examplesWaiting: this.#examples.rowsWaiting,
          examplesDropped: this.#writer.dropped,
          recordsInvalid: this.#recordsInvalid,
          offset: this.#eventOffset,
          recordsUnread: this.#unread.count(),
          dataClockMs: this.#window.clockMs,
          warning: this.#writer.warning ?? this.#clockLead.warning,
        });
      default:
        message satisfies never;
    }
  }

  stop(): void {
    this.#unsubscribe();
    this.#unread.end();
    this.#nextTurn.cancel();
  }

  /** One turn: when it ends, the decided examples are in the example log or wait for it. */
  async #join(): Promise<void> {
    if (!await this.#write() || this.#examples.isEnded) return;
    const { partition, recordsPerTurn } = this.#options;
    if (this.#unjoined.length === 0) {
      this.#unjoined = await this.#eventLog.read(
        partition,
        this.#eventOffset,
        recordsPerTurn,
        "follower",
      );
      this.#logHasMore = this.#unjoined.length === recordsPerTurn;
    } else this.#logHasMore = true; // since an earlier turn has read
    const records = this.#unjoined;
    this.#turnEndsAtMs = this.#context.clock.monotonicMs() + TURN_MS_MAX;
    let joined = 0;
    for (const record of records) {
      if (joined > 0 && this.#isTurnOver() || !await this.#take(record)) break;
      this.#eventOffset = record.offset + 1;
      joined++;
    }
    this.#unjoined = records.slice(joined);
    this.#examples.endTurn(
      this.#momentAt(this.#eventOffset),
      this.#context.clock.monotonicMs(),
    );
    // A sealed partition: no record comes any more.
    if (this.#eventOffset >= this.#endOffset) this.#examples.end(this.#momentAt(this.#eventOffset));
    await this.#write();
    await this.#commit();
    await this.#releaseEarlier();
    if (this.#unjoined.length > 0 || this.#logHasMore) this.#nextTurn.now();
    else await this.#drain();
    this.#awaitDueChunk();
    this.#metrics.report(this.#window);
    this.#clockLead.check(this.#window.clockMs);
  }

  /** Has a turn come when the next chunk that is not full is to be finished. */
  #awaitDueChunk(): void {
    const { dueAtMs } = this.#examples;
    if (dueAtMs < Infinity) this.#nextTurn.within(dueAtMs - this.#context.clock.monotonicMs());
  }

  /**
   * Joins a record, after the impressions that it closes. False if the turn must end before that:
   * the impressions closed so far stay closed, and a later turn takes the same record again.
   */
  async #take({ offset, bytes }: LogRecord): Promise<boolean> {
    const record = this.#decode(offset, bytes);
    if (record === undefined) return true;
    this.#window.observe(record, offset);
    // The log orders the acceptance times of these alone, where several gateways append.
    const isOrdered = record.kind === "action" || record.kind === "mark";
    // All actions before this one are in; the record itself is not yet. Two acceptance times are at
    // least `ACCEPTANCE_STEP_MS` apart, so none lies between them.
    if (isOrdered) this.#raiseAcceptanceMark(record.acceptedAtMs - ACCEPTANCE_STEP_MS);
    this.#moment = this.#momentAt(offset);
    while (this.#window.closeNext(record, offset, this.#output)) {
      this.#moment = this.#momentAt(offset);
      if (!await this.#finishFull(this.#moment) || this.#isTurnOver()) return false;
    }
    if (record.kind === "forget" || record.kind === "release") {
      this.#examples.finishRows(this.#momentAt(offset));
    }
    this.#window.accept(record, offset, this.#output);
    if (isOrdered) this.#raiseAcceptanceMark(record.acceptedAtMs);
    if (record.kind === "forget") {
      const { erasureId, pass, user } = record;
      const forgotten = { erasureId, pass, signature: signatureOf(user) };
      this.#examples.forget([forgotten], this.#momentAt(offset + 1));
    } else if (record.kind === "release") {
      this.#examples.forget([], this.#momentAt(offset + 1));
      const retainedFrom = record.retainedFrom?.[this.#options.partition] ?? offset;
      this.#releasedBefore = Math.max(this.#releasedBefore, Math.min(offset, retainedFrom));
    }
    // A refusal ends the turn before the next record is joined.
    await this.#finishFull(this.#momentAt(offset + 1));
    return true;
  }

  /** All actions accepted up to this time were taken in, ms. */
  #raiseAcceptanceMark(acceptedAtMs: number): void {
    this.#acceptedAtMs = Math.max(this.#acceptedAtMs, acceptedAtMs);
  }

  #isTurnOver(): boolean {
    return this.#context.clock.monotonicMs() >= this.#turnEndsAtMs;
  }

  readonly #output: ExampleOutput = (impression, isLate) =>
    this.#examples.builderFor(impression, isLate, this.#moment);

  /** @param repeatable Whether a restart decides the same examples next. */
  #momentAt(eventOffset: number, repeatable = true): JoinMoment {
    const acceptedAtMs = this.#acceptedAtMs;
    return { eventOffset, ...this.#window.replayPoint(eventOffset), acceptedAtMs, repeatable };
  }

  #decode(offset: number, bytes: Uint8Array): EventRecord | undefined {
    try {
      const record = decodeEvent(bytes);
      // The record may have been written under an earlier configuration.
      if (record.kind !== "impression" || areRowsOf(this.#options, record.shown)) return record;
      this.#tellOfOtherRows(offset);
    } catch (cause) {
      this.#context.telemetry.log("warn", "skipped an event record that cannot be decoded", {
        offset,
        cause,
      });
    }
    if (offset >= this.#examples.start.decidedInAllBefore) {
      this.#recordsInvalid++;
      this.#metrics.addInvalid();
    }
    return undefined;
  }

  /** Logs once, however many there are. */
  #tellOfOtherRows(offset: number): void {
    if (this.#hasToldOfOtherRows) return;
    this.#hasToldOfOtherRows = true;
    const message = "skipped rankings of another schema; their events count as actionsUnmatched";
    this.#context.telemetry.log("warn", message, { offset });
  }

  /**
   * Finishes the full chunks, between the examples before and after `moment`; false if too many
   * wait and the example log takes none.
   */
  async #finishFull(moment: JoinMoment): Promise<boolean> {
    if (this.#examples.rowsMax >= this.#options.batchRows) this.#examples.finishFull(moment);
    return this.#examples.chunksWaitingMax < CHUNKS_WAITING_MAX || await this.#write();
  }

  /** Appends the finished chunks. If the example log refuses them: false, and a later try. */
  async #write(): Promise<boolean> {
    if (await this.#writer.write()) return true;
    this.#nextTurn.after(REFUSED_RETRY_MS);
    return false;
  }

  /**
   * Trims the records that no restart would read: once per interval, and at once if the event log
   * is nearly full. A failure (a full disk) is tried again.
   */
  async #commit(): Promise<void> {
    if (this.#examples.chunksWaitingMax > 0) return;
    if (this.#eventOffset < this.#examples.start.decidedInAnyBefore) return;
    const { retained, replayOffset } = this.#window.replayPoint(this.#eventOffset);
    const neededFrom = retained?.offset ?? replayOffset;
    const nearlyFull = isNearlyFull(this.#eventLog);
    const retainedFrom = nearlyFull
      ? Infinity
      : Math.max(this.#releasedBefore, this.#eventOffset - this.#options.recordsRetained);
    if (Math.min(neededFrom, retainedFrom) <= this.#trimmedBefore) return;
    const nowMs = this.#context.clock.monotonicMs();
    const dueInMs = this.#committedAtMs + COMMIT_INTERVAL_MS - nowMs;
    if (dueInMs > 0 && !nearlyFull) return this.#nextTurn.within(dueInMs);
    // Sampling may drop all rows of an impression: the position moves without a chunk of rows.
    if (neededFrom > this.#examples.retainedOffset) {
      const moment = this.#momentAt(this.#eventOffset);
      if (nearlyFull) this.#examples.finishAll(moment);
      else this.#examples.finishEmpty(moment);
    }
    if (!await this.#write()) return;
    this.#committedAtMs = nowMs;
    const { partition } = this.#options;
    try {
      const written = this.#examples.retainedOffset;
      const trimBefore = Math.min(written, retainedFrom);
      await this.#eventLog.trim(partition, trimBefore);
      await this.#eventLog.commitOffset(CONSUMER, partition, written);
      this.#trimmedBefore = trimBefore;
    } catch (cause) {
      this.#context.telemetry.log("warn", "cannot trim joined records of the event log", { cause });
      this.#nextTurn.within(COMMIT_INTERVAL_MS);
    }
  }

  /** Has the partitions of earlier partitionings trimmed when nothing of them is needed here. */
  async #releaseEarlier(): Promise<void> {
    if (this.#release === undefined || this.#release.isDone) return;
    // Where the log is full, no record comes that would begin another turn.
    this.#nextTurn.within(COMMIT_INTERVAL_MS);
    if (this.#examples.retainedOffset < 0) return;
    const isForOthers = this.#eventOffset === 0 ||
      this.#releasedBefore === 0 && this.#eventOffset <= this.#options.recordsRetained;
    if (isForOthers && !isNearlyFull(this.#eventLog)) return;
    if (!this.#examples.areBegun) {
      // Without a position, a restart would take over from the earlier partitions again.
      this.#examples.finishEmpty(this.#momentAt(this.#eventOffset));
      if (!await this.#write()) return;
    }
    try {
      await this.#release.release();
    } catch (cause) {
      this.#context.telemetry.log("warn", "cannot trim partitions that were sealed", { cause });
    }
  }

  /**
   * Closes the oldest impressions early if the event log is nearly full. A full log refuses
   * appends, so that no record would come to move the data clock, and no window would ever close.
   */
  async #drain(): Promise<void> {
    if (this.#examples.chunksWaitingMax > 0) return;
    if (this.#eventOffset < this.#examples.start.decidedInAnyBefore) return;
    if (!isNearlyFull(this.#eventLog) || this.#window.impressionsHeld === 0) return;
    const { retained, replayOffset } = this.#window.replayPoint(this.#eventOffset);
    const needed = this.#eventOffset - (retained?.offset ?? replayOffset);
    const stay = Math.floor(needed * (1 - GIVEN_UP));
    this.#moment = this.#momentAt(this.#eventOffset, false);
    while (this.#window.closeEarly(this.#eventOffset - stay, this.#output)) {
      this.#moment = this.#momentAt(this.#eventOffset, false);
      if (!await this.#finishFull(this.#moment)) return;
    }
    this.#examples.finishAll(this.#momentAt(this.#eventOffset));
    await this.#write();
    await this.#commit();
    if (isNearlyFull(this.#eventLog)) this.#nextTurn.now();
  }
}
