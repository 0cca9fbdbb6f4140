/**
 * The joiner's behaviour: reads its partition of the event log, feeds the join window, and appends what was decided
 * to the example log as one chunk a turn and partition, also where a partition gets no row: the chunk carries the
 * acceptance mark on.
 *
 * Exactly once without a transaction over two logs: each chunk says how far into the event log it reaches, and the
 * window is a function of the event log. After a restart the last chunks tell from where to read again and what to
 * leave out.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { Counter, Gauge } from "../../mesh/ports/telemetry.ts";
import { type EventLog, isRefusal, type LogRecord } from "../../mesh/ports/event_log.ts";
import { ExamplePartition } from "./example_partition.ts";
import { type ExampleOutput, type JoinCounts, JoinWindow } from "./join_window.ts";
import type { JoinerOptions } from "./options.ts";
import { decodeEvent, type EventRecord, partitionOf } from "../../records/event_record.ts";
import type { JoinerMessage } from "./protocol.ts";
import { areRowsOf } from "../../records/impression_rows.ts";

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
/** Chunks that may wait for one append, per partition. */
const CHUNKS_WAITING_MAX = 8;

export class Joiner implements Behavior<JoinerMessage> {
  readonly #context: ActorContext<JoinerMessage>;
  readonly #options: JoinerOptions;
  readonly #logs: JoinerDependencies;
  readonly #window: JoinWindow;
  /** Of the example log. */
  readonly #partitions: readonly ExamplePartition[];
  readonly #unsubscribe: () => void;
  readonly #events: Counter;
  readonly #open: Gauge;
  #reported: JoinCounts;
  /** Records before this were decided before the restart, in all partitions. */
  readonly #silentBefore: number;
  /** Records before this were decided in some partition. */
  readonly #readAgainUntil: number;
  #nextOffset: number;
  #acceptedAtMs = 0;
  #acceptedAtMsWritten = 0;
  #recordsInvalid = 0;
  /** The record that is being taken in. */
  #recordOffset = 0;
  #committedAtMs: number;
  #forgottenBefore = 0;
  #woken = false;
  /** The example log took nothing when it was last tried. */
  #refused = false;
  /** A turn that nothing else may bring about. */
  #later: { cancel(): void } | undefined;

  private constructor(
    context: ActorContext<JoinerMessage>,
    options: JoinerOptions,
    logs: JoinerDependencies,
    partitions: readonly ExamplePartition[],
  ) {
    this.#context = context;
    this.#options = options;
    this.#logs = logs;
    this.#partitions = partitions;
    const starts = partitions.map(({ start }) => start);
    const first = starts.reduce((a, b) => b.replayOffset < a.replayOffset ? b : a);
    this.#window = new JoinWindow(options, first.replayClockMs);
    this.#nextOffset = first.replayOffset;
    this.#silentBefore = Math.min(...starts.map(({ eventOffset }) => eventOffset));
    this.#readAgainUntil = Math.max(...starts.map(({ eventOffset }) => eventOffset));
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
    const shape = {
      slots: options.slots,
      denseWidth: options.denseWidth,
      tasks: options.tasks.length,
    };
    const partitions = Array.from(
      { length: logs.exampleLog.partitions },
      (_, partition) => ExamplePartition.open(logs.exampleLog, partition, shape),
    );
    return new Joiner(context, options, logs, await Promise.all(partitions));
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

  /** One turn: what was read and decided is in the example log when it ends, or waits in its partition. */
  async #join(): Promise<void> {
    this.#woken = false;
    this.#later?.cancel();
    this.#later = undefined;
    if (!await this.#write()) return;
    const { partition, recordsPerTurn } = this.#options;
    const records = await this.#logs.eventLog.read(partition, this.#nextOffset, recordsPerTurn);
    for (const record of records) await this.#take(record);
    this.#nextOffset = records.length === 0 ? this.#nextOffset : records.at(-1)!.offset + 1;
    const examples = this.#partitions.some(({ rows }) => rows > 0);
    if (examples || this.#acceptedAtMs > this.#acceptedAtMsWritten) {
      this.#finishChunks(this.#nextOffset);
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
    this.#recordOffset = offset;
    this.#window.observe(record);
    while (this.#window.closeNext(this.#output)) await this.#cutChunks(offset);
    this.#window.accept(record, offset, this.#output);
    if (record.kind !== "action") return;
    this.#acceptedAtMs = Math.max(this.#acceptedAtMs, record.acceptedAtMs);
    if (offset < this.#silentBefore) this.#acceptedAtMsWritten = this.#acceptedAtMs;
  }

  /** The examples of one ranking go to one partition. */
  readonly #output: ExampleOutput = ({ fingerprint, offset }) => {
    const partition = partitionOf(fingerprint, this.#partitions.length);
    return this.#partitions[partition].openFor(offset, this.#recordOffset);
  };

  #decode(offset: number, bytes: Uint8Array): EventRecord | undefined {
    try {
      const record = decodeEvent(bytes);
      // The log may be older than the configuration.
      if (record.kind === "action" || areRowsOf(this.#options, record.shown)) return record;
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

  /** Finishes the chunks where one has as many rows as it may have. */
  async #cutChunks(eventOffset: number): Promise<void> {
    if (this.#partitions.every(({ rows }) => rows < this.#options.chunkRowsMax)) return;
    this.#finishChunks(eventOffset);
    if (this.#partitions.some(({ chunksWaiting }) => chunksWaiting >= CHUNKS_WAITING_MAX)) {
      await this.#write();
    }
  }

  /** @param eventOffset Records before it are decided and in these chunks or earlier ones. */
  #finishChunks(eventOffset: number): void {
    const position = { eventOffset, ...this.#window.resumePoint(eventOffset) };
    for (const partition of this.#partitions) partition.finishChunk(this.#acceptedAtMs, position);
    this.#acceptedAtMsWritten = this.#acceptedAtMs;
  }

  /** Appends what waits; false when the example log takes nothing, and then tries again after a pause. */
  async #write(): Promise<boolean> {
    try {
      for (const partition of this.#partitions) await partition.write();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // Said once, not at each try: /health/ready and cairn_log_refusing tell while it lasts.
      if (!this.#refused) {
        this.#context.telemetry.log("warn", `the joiner waits: ${error.message}`);
      }
      this.#refused = true;
      this.#wakeLater(REFUSED_RETRY_MS);
      this.#woken = true; // until then nothing else need wake it
      return false;
    }
    if (this.#refused) this.#context.telemetry.log("info", "the joiner goes on");
    this.#refused = false;
    return true;
  }

  /**
   * Forgets the records that no restart would read again: once an interval, and at once where room is short. What
   * fails (a full disk) is tried again.
   */
  async #commit(): Promise<void> {
    if (this.#chunksWait() || this.#nextOffset < this.#readAgainUntil) return;
    const { replayOffset } = this.#window.resumePoint(this.#nextOffset);
    const pressed = this.#nearlyFull();
    const keptFrom = pressed ? Infinity : this.#nextOffset - this.#options.recordsKept;
    if (Math.min(replayOffset, keptFrom) <= this.#forgottenBefore) return;
    const nowMs = this.#context.clock.monotonicMs();
    const dueInMs = this.#committedAtMs + COMMIT_INTERVAL_MS - nowMs;
    if (dueInMs > 0 && !pressed) return this.#wakeLater(dueInMs);
    // Impressions can be decided without an example (negatives that sampling leaves out): the position moves on alone.
    if (this.#partitions.some(({ resumeOffset }) => replayOffset > resumeOffset)) {
      this.#finishChunks(this.#nextOffset);
    }
    if (!await this.#write()) return;
    this.#committedAtMs = nowMs;
    const { partition } = this.#options;
    const { eventLog } = this.#logs;
    try {
      const resumeOffset = Math.min(...this.#partitions.map(({ resumeOffset }) => resumeOffset));
      const floor = Math.min(resumeOffset, keptFrom);
      await eventLog.trim(partition, floor);
      await eventLog.commitOffset(CONSUMER, partition, resumeOffset);
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
    if (this.#chunksWait() || this.#nextOffset < this.#readAgainUntil) return;
    if (!this.#nearlyFull() || this.#window.impressionsOpen === 0) return;
    const { replayOffset } = this.#window.resumePoint(this.#nextOffset);
    const kept = Math.floor((this.#nextOffset - replayOffset) * (1 - GIVEN_UP));
    this.#recordOffset = this.#nextOffset;
    while (this.#window.closeEarly(this.#nextOffset - kept, this.#output)) {
      await this.#cutChunks(this.#nextOffset);
    }
    this.#finishChunks(this.#nextOffset);
    await this.#write();
    await this.#commit();
    if (this.#nearlyFull()) this.#wake();
  }

  #chunksWait(): boolean {
    return this.#partitions.some(({ chunksWaiting }) => chunksWaiting > 0);
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
