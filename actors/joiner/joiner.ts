/**
 * The joiner's behaviour: reads its partition of the event log, feeds the join window, and appends what was decided
 * to the example log as one chunk a turn.
 *
 * Exactly once without a transaction over two logs: each chunk says how far into the event log it reaches, and the
 * window is a function of the event log. After a restart the last chunk tells from where to read again and up to
 * which record to keep silent.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { Counter, Gauge } from "../../mesh/ports/telemetry.ts";
import { type EventLog, isRefusal, type LogRecord } from "../../mesh/ports/event_log.ts";
import { decodeExamples, encodeExamples } from "../trainer/protocol.ts";
import { ExampleChunkBuilder } from "./example_chunks.ts";
import { type JoinCounts, JoinWindow } from "./join_window.ts";
import type { JoinerOptions } from "./options.ts";
import { decodeEvent, type EventRecord, type JoinerMessage } from "./protocol.ts";

export interface JoinerDependencies {
  readonly eventLog: EventLog;
  readonly exampleLog: EventLog;
}

const CONSUMER = "joiner";
/** How often the place to read again from is committed and the log before it forgotten, ms. */
const COMMIT_INTERVAL_MS = 1_000;
/** Pause before an example log that takes nothing is tried again, ms. */
const REFUSED_RETRY_MS = 500;
/** From this share of its limit on the event log is made to drain, by closing the oldest impressions early. */
const NEARLY_FULL = 0.75;
/** The share of the records that a restart would need that is given up at a time. */
const GIVEN_UP = 0.25;
/** Chunks that may wait for one append. */
const CHUNKS_WAITING_MAX = 8;

export class Joiner implements Behavior<JoinerMessage> {
  readonly #context: ActorContext<JoinerMessage>;
  readonly #options: JoinerOptions;
  readonly #logs: JoinerDependencies;
  readonly #window: JoinWindow;
  readonly #builder: ExampleChunkBuilder;
  /** Takes what the example log already has. */
  readonly #muted: ExampleChunkBuilder;
  readonly #unsubscribe: () => void;
  readonly #events: Counter;
  readonly #open: Gauge;
  #reported: JoinCounts;
  /** Records before this were decided before the restart. */
  readonly #silentBefore: number;
  #nextOffset: number;
  #acceptedAtMs = 0;
  #acceptedAtMsWritten = 0;
  #recordsInvalid = 0;
  #waiting: Uint8Array[] = [];
  /** Where a restart would read again from, by the newest chunk made and by the newest one written. */
  #resumeOffset = 0;
  #resumeOffsetWritten = 0;
  #committedAtMs: number;
  #forgottenBefore = 0;
  #woken = false;
  /** A turn that nothing else may bring about. */
  #later: { cancel(): void } | undefined;

  private constructor(
    context: ActorContext<JoinerMessage>,
    options: JoinerOptions,
    logs: JoinerDependencies,
    start: Start,
  ) {
    this.#context = context;
    this.#options = options;
    this.#logs = logs;
    this.#window = new JoinWindow(options, start.replayClockMs);
    const shape = {
      slots: options.slots,
      denseWidth: options.denseWidth,
      tasks: options.tasks.length,
    };
    this.#builder = new ExampleChunkBuilder(shape, start.nextRow);
    this.#muted = new ExampleChunkBuilder(shape, 0);
    this.#nextOffset = start.replayOffset;
    this.#silentBefore = start.eventOffset;
    this.#resumeOffset = this.#resumeOffsetWritten = start.replayOffset;
    this.#committedAtMs = context.clock.monotonicMs();
    this.#reported = { ...this.#window.counts };
    this.#events = context.telemetry.counter("cairn_joiner_outcomes_total", {
      help: "What the joiner made of impressions, actions and examples.",
      labelNames: ["outcome"],
    });
    this.#open = context.telemetry.gauge("cairn_joiner_impressions_open", {
      help: "Impressions that wait for actions.",
    });
    this.#unsubscribe = logs.eventLog.onAppended(options.partition, () => this.#wake());
    this.#wake();
  }

  static async start(
    context: ActorContext<JoinerMessage>,
    options: JoinerOptions,
    logs: JoinerDependencies,
  ): Promise<Joiner> {
    return new Joiner(context, options, logs, await findStart(options.partition, logs));
  }

  async receive(message: JoinerMessage): Promise<void> {
    switch (message.kind) {
      case "eventsAppended":
        return await this.#join();
      case "getStatus":
        return this.#context.reply(message, {
          ...this.#window.counts,
          impressionsOpen: this.#window.impressionsOpen,
          recordsInvalid: this.#recordsInvalid,
          offset: this.#nextOffset,
          dataClockMs: this.#window.clockMs,
        });
      default:
        message satisfies never;
    }
  }

  stop(): void {
    this.#unsubscribe();
    this.#later?.cancel();
  }

  /** One turn: what was read and decided is in the example log when it ends, or stays in `#waiting`. */
  async #join(): Promise<void> {
    this.#woken = false;
    this.#later?.cancel();
    this.#later = undefined;
    if (!await this.#write()) return;
    const { partition, recordsPerTurn } = this.#options;
    const records = await this.#logs.eventLog.read(partition, this.#nextOffset, recordsPerTurn);
    for (const record of records) await this.#take(record);
    this.#nextOffset = records.length === 0 ? this.#nextOffset : records.at(-1)!.offset + 1;
    if (this.#builder.rows > 0 || this.#acceptedAtMs > this.#acceptedAtMsWritten) {
      this.#finishChunk(this.#nextOffset);
    }
    await this.#write();
    await this.#commit();
    if (records.length === recordsPerTurn) this.#wake();
    else await this.#drain();
    this.#report();
  }

  async #take({ offset, bytes }: LogRecord): Promise<void> {
    const record = this.#decode(offset, bytes);
    if (record === undefined) return;
    const silent = offset < this.#silentBefore;
    const out = silent ? this.#muted : this.#builder;
    this.#window.observe(record);
    while (this.#window.closeNext(out)) {
      if (!silent) await this.#cutChunk(offset);
      else if (out.rows >= this.#options.chunkRowsMax) this.#muted.finish(0);
    }
    this.#window.accept(record, offset, out);
    if (silent) this.#muted.finish(0);
    if (record.kind !== "action") return;
    this.#acceptedAtMs = Math.max(this.#acceptedAtMs, record.acceptedAtMs);
    if (silent) this.#acceptedAtMsWritten = this.#acceptedAtMs;
  }

  #decode(offset: number, bytes: Uint8Array): EventRecord | undefined {
    try {
      const record = decodeEvent(bytes);
      if (record.kind === "action" || this.#fits(record)) return record;
    } catch (cause) {
      this.#context.telemetry.log("warn", "skipped an event record that cannot be decoded", {
        offset,
        cause,
      });
    }
    this.#recordsInvalid++;
    this.#events.add(1, { outcome: "recordsInvalid" });
    return undefined;
  }

  /** Whether an impression has the features of today's schema (the log may be older than the configuration). */
  #fits(record: EventRecord & { kind: "impression" }): boolean {
    const { slots, denseWidth } = this.#options;
    const rows = record.items.length;
    return record.segmentOffsets.byteLength === (rows * slots + 1) * 4 &&
      record.dense.byteLength === rows * denseWidth * 4 &&
      record.scores.byteLength === rows * 4;
  }

  /** Finishes the chunk where it has as many rows as one may have. */
  async #cutChunk(eventOffset: number): Promise<void> {
    if (this.#builder.rows < this.#options.chunkRowsMax) return;
    this.#finishChunk(eventOffset);
    if (this.#waiting.length >= CHUNKS_WAITING_MAX) await this.#write();
  }

  /** @param eventOffset Records before it are decided and in this chunk or an earlier one. */
  #finishChunk(eventOffset: number): void {
    const position = { eventOffset, ...this.#window.resumePoint(eventOffset) };
    this.#resumeOffset = position.replayOffset;
    this.#waiting.push(encodeExamples(this.#builder.finish(this.#acceptedAtMs, position)));
    this.#acceptedAtMsWritten = this.#acceptedAtMs;
  }

  /** Appends what waits; false when the example log takes nothing, and then tries again after a pause. */
  async #write(): Promise<boolean> {
    if (this.#waiting.length === 0) return true;
    try {
      await this.#logs.exampleLog.append(this.#options.partition, this.#waiting);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#context.telemetry.log("warn", `the joiner waits: ${error.message}`);
      this.#wakeLater(REFUSED_RETRY_MS);
      this.#woken = true; // until then nothing else need wake it
      return false;
    }
    this.#waiting = [];
    this.#resumeOffsetWritten = this.#resumeOffset;
    return true;
  }

  /**
   * Forgets the records that no restart would read again: once an interval, and at once where room is short. What
   * fails (a full disk) is tried again.
   */
  async #commit(): Promise<void> {
    if (this.#waiting.length > 0 || this.#nextOffset < this.#silentBefore) return;
    const { replayOffset } = this.#window.resumePoint(this.#nextOffset);
    const pressed = this.#nearlyFull();
    const keptFrom = pressed ? Infinity : this.#nextOffset - this.#options.recordsKept;
    if (Math.min(replayOffset, keptFrom) <= this.#forgottenBefore) return;
    const nowMs = this.#context.clock.monotonicMs();
    const dueInMs = this.#committedAtMs + COMMIT_INTERVAL_MS - nowMs;
    if (dueInMs > 0 && !pressed) return this.#wakeLater(dueInMs);
    // Impressions can be decided without an example (negatives that sampling leaves out): the position moves on alone.
    if (replayOffset > this.#resumeOffset) this.#finishChunk(this.#nextOffset);
    if (!await this.#write()) return;
    this.#committedAtMs = nowMs;
    const { partition } = this.#options;
    const { eventLog } = this.#logs;
    try {
      const floor = Math.min(this.#resumeOffsetWritten, keptFrom);
      await eventLog.trim(partition, floor);
      await eventLog.commitOffset(CONSUMER, partition, this.#resumeOffsetWritten);
      this.#forgottenBefore = floor;
    } catch (cause) {
      this.#context.telemetry.log("warn", "cannot forget joined records of the event log", {
        cause,
      });
      this.#wakeLater(COMMIT_INTERVAL_MS);
    }
  }

  /**
   * Gives up the oldest impressions where the event log is nearly full. It refuses appends when it is full, so no
   * record would come to move the data clock on, and no window would ever close.
   */
  async #drain(): Promise<void> {
    if (this.#waiting.length > 0 || this.#nextOffset < this.#silentBefore) return;
    if (!this.#nearlyFull() || this.#window.impressionsOpen === 0) return;
    const { replayOffset } = this.#window.resumePoint(this.#nextOffset);
    const kept = Math.floor((this.#nextOffset - replayOffset) * (1 - GIVEN_UP));
    while (this.#window.closeEarly(this.#nextOffset - kept, this.#builder)) {
      await this.#cutChunk(this.#nextOffset);
    }
    this.#finishChunk(this.#nextOffset);
    await this.#write();
    await this.#commit();
    if (this.#nearlyFull()) this.#wake();
  }

  #nearlyFull(): boolean {
    const { bytes, bytesMax } = this.#logs.eventLog.usage();
    return bytes >= NEARLY_FULL * bytesMax;
  }

  #wakeLater(ms: number): void {
    this.#later?.cancel();
    this.#later = this.#context.schedule(ms, { kind: "eventsAppended" });
  }

  #wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    this.#context.self.tell({ kind: "eventsAppended" });
  }

  #report(): void {
    const counts = this.#window.counts;
    for (const outcome of Object.keys(counts) as (keyof JoinCounts)[]) {
      const more = counts[outcome] - this.#reported[outcome];
      if (more > 0) this.#events.add(more, { outcome });
    }
    this.#reported = { ...counts };
    this.#open.set(this.#window.impressionsOpen);
  }
}

interface Start {
  readonly nextRow: number;
  readonly eventOffset: number;
  readonly replayOffset: number;
  readonly replayClockMs: number;
}

/** Where to go on: after the newest chunk of the example log, or at the beginning. */
async function findStart(partition: number, logs: JoinerDependencies): Promise<Start> {
  const last = await lastChunk(partition, logs.exampleLog);
  if (last === undefined) {
    return { nextRow: 0, eventOffset: 0, replayOffset: 0, replayClockMs: 0 };
  }
  const nextRow = last.firstRow + last.rows;
  if (last.resume !== undefined) return { nextRow, ...last.resume };
  // Batch training wrote last: the event log has not been read yet.
  return { nextRow, eventOffset: 0, replayOffset: 0, replayClockMs: 0 };
}

async function lastChunk(partition: number, exampleLog: EventLog) {
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
