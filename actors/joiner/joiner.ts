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
import { type EventLog, LogFullError, type LogRecord } from "../../mesh/ports/event_log.ts";
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
/** Pause before a full example log is tried again, ms. */
const FULL_LOG_RETRY_MS = 500;
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
  #committedOffset = 0;
  #woken = false;

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
  }

  /** One turn: what was read and decided is in the example log when it ends, or stays in `#waiting`. */
  async #join(): Promise<void> {
    this.#woken = false;
    if (!await this.#write()) return;
    const { partition, recordsPerTurn } = this.#options;
    const records = await this.#logs.eventLog.read(partition, this.#nextOffset, recordsPerTurn);
    for (const record of records) await this.#take(record);
    this.#nextOffset = records.length === 0 ? this.#nextOffset : records.at(-1)!.offset + 1;
    if (this.#builder.rows > 0 || this.#acceptedAtMs > this.#acceptedAtMsWritten) {
      this.#finishChunk(this.#nextOffset);
    }
    await this.#write();
    if (records.length === recordsPerTurn) this.#wake();
    this.#report();
    await this.#commit();
  }

  async #take({ offset, bytes }: LogRecord): Promise<void> {
    const record = this.#decode(offset, bytes);
    if (record === undefined) return;
    const silent = offset < this.#silentBefore;
    const out = silent ? this.#muted : this.#builder;
    this.#window.observe(record);
    while (this.#window.closeNext(out)) {
      if (out.rows < this.#options.chunkRowsMax) continue;
      if (silent) this.#muted.finish(0);
      else this.#finishChunk(offset);
      if (this.#waiting.length >= CHUNKS_WAITING_MAX) await this.#write();
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

  /** @param eventOffset Records before it are decided and in this chunk or an earlier one. */
  #finishChunk(eventOffset: number): void {
    const position = { eventOffset, ...this.#window.resumePoint(eventOffset) };
    this.#resumeOffset = position.replayOffset;
    this.#waiting.push(encodeExamples(this.#builder.finish(this.#acceptedAtMs, position)));
    this.#acceptedAtMsWritten = this.#acceptedAtMs;
  }

  /** Appends what waits; false when the example log is full, and then tries again after a pause. */
  async #write(): Promise<boolean> {
    if (this.#waiting.length === 0) return true;
    try {
      await this.#logs.exampleLog.append(this.#options.partition, this.#waiting);
    } catch (error) {
      if (!(error instanceof LogFullError)) throw error;
      this.#context.telemetry.log("warn", `the joiner waits: ${error.message}`);
      if (!this.#woken) this.#context.schedule(FULL_LOG_RETRY_MS, { kind: "eventsAppended" });
      this.#woken = true;
      return false;
    }
    this.#waiting = [];
    this.#resumeOffsetWritten = this.#resumeOffset;
    return true;
  }

  /** Forgets the records that no restart would read again. */
  async #commit(): Promise<void> {
    const nowMs = this.#context.clock.monotonicMs();
    if (nowMs - this.#committedAtMs < COMMIT_INTERVAL_MS || this.#waiting.length > 0) return;
    this.#committedAtMs = nowMs;
    if (this.#resumeOffsetWritten <= this.#committedOffset) return;
    this.#committedOffset = this.#resumeOffsetWritten;
    const { partition } = this.#options;
    await this.#logs.eventLog.commitOffset(CONSUMER, partition, this.#committedOffset);
    await this.#logs.eventLog.trim(partition, this.#committedOffset);
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
