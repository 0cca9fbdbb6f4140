/**
 * Appends to one partition of a log in Redis.
 *
 * One batch is on the way at a time, and appends that come meanwhile, or within 2 ms of its begin,
 * make the next one: so order needs no further care, and the batch grows with the load. Each batch
 * has a sequence of this writer, by which the server knows one that it has appended already. A
 * batch is sent again after a connection was lost, until its time is up. Batches that are not
 * known to be durable are kept, and are sent again under the next run of the server before a newer
 * one, because a restart or a failover may have lost them: also those of `written` records, whose
 * callers were answered. Where their partition was sealed meanwhile, these records go to the
 * partitions of the next one.
 */
import { setTimeout as pause } from "node:timers/promises";
import {
  type AppendFence,
  type AppendUntil,
  LateAppendError,
  LogTailLostError,
  LogUnavailableError,
} from "../../ports/event_log.ts";
import {
  type Append,
  type AttachedValue,
  type Batch,
  fittingCount,
  refusalOf,
  sendBatch,
} from "./append_batch.ts";
import { BatchPace } from "./batch_pace.ts";
import { NotDurableError } from "./durability_barrier.ts";
import { fullMemory } from "./full_memory.ts";
import { isAwaited, KeptBatches } from "./kept_batches.ts";
import type { LogKeys } from "./log_keys.ts";
import { LateWaits } from "./late_waits.ts";
import { logBudgets } from "./log_budgets.ts";
import type { AppendReply } from "./log_scripts.ts";
import { remedyWhileRunning } from "./redis_client.ts";
import { RedisUnavailableError } from "./redis_connection.ts";
import type { RedisServer } from "./redis_server.ts";

/** The parts of a log that an appender uses. */
export interface AppenderParts {
  readonly server: RedisServer;
  /** The log in words, for errors. */
  readonly log: string;
  readonly partition: number;
  readonly keys: LogKeys;
  readonly bytesMax: number;
  /** Time within which an append is sent again, ms. */
  readonly budgetMs: number;
  /** Longest wait of an append that need not be durable, ms: a ranking waits for it. */
  readonly writtenBudgetMs: number;
  /** Age at which records that need not be durable are made sure of, ms. */
  readonly unconfirmedMsMax: number;
  /** Time without a connection after which appends are refused at once, ms. */
  readonly awayAfterMs: number;
  /**
   * The run of the server, after the log has checked that it lost nothing.
   *
   * @throws {LogTailLostError} It has.
   */
  checkedRun(): Promise<string>;
  onBytes(bytes: number): void;
  /** Records before `endOffset` are durable. */
  onDurable(endOffset: number): void;
  /**
   * Appends a `written` record that was lost, and whose partition is sealed, to the one where it
   * belongs since, durably. Absent where no record belongs to another partition.
   *
   * @throws As `EventLog.append` does; then it is called again.
   */
  readonly moveOn?: (record: Uint8Array, attached: AttachedValue | undefined) => Promise<void>;
  /**
   * Records from `found` to `known` are lost, and cannot be appended again.
   *
   * @throws {LogTailLostError} Always; the log refuses from now on.
   */
  tailLost(known: number, found: number): never;
  /** Why the last append was refused, and its fence; undefined after one that was taken. */
  onRefusal(refusal: Error | undefined, fence?: AppendFence): void;
}

/** Bytes that wait to be durable before further appends are refused. */
const WAITING_BYTES_MAX = 64 * 2 ** 20;
/** Pause before a batch is sent again, ms. */
const RETRY_MS = logBudgets.retryMs;

export class LogAppender {
  readonly #parts: AppenderParts;
  readonly #waits: LateWaits;
  readonly #kept: KeptBatches;
  readonly #pace = new BatchPace();
  #waiting: Append[] = [];
  /** Bytes of all appends that are not known to be durable, nor failed. */
  #waitingBytes = 0;
  #sequence = 0;
  #isSending = false;
  #isConfirming = false;
  #isClosed = false;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
    this.#waits = new LateWaits(parts.writtenBudgetMs);
    this.#kept = new KeptBatches({
      ageMsMax: parts.unconfirmedMsMax,
      onOld: () => this.#confirmWhatMust(),
    });
  }

  append(
    records: readonly Uint8Array[],
    until: AppendUntil,
    fence: AppendFence | undefined,
    attached?: AttachedValue,
  ): Promise<number> {
    const bytes = records.reduce((sum, record) => sum + record.byteLength, 0);
    const refused = this.#reasonToRefuse(bytes);
    if (refused !== undefined) {
      const error = this.#unavailable(refused);
      this.#parts.onRefusal(error);
      // The replica may be there again.
      if (!this.#isClosed) this.#confirmWhatMust();
      return Promise.reject(error);
    }
    const { promise: outcome, resolve, reject } = Promise.withResolvers<number>();
    const untilMs = performance.now() + this.#parts.budgetMs;
    const append: Append = {
      records,
      bytes,
      until,
      fence,
      attached,
      untilMs,
      isSettled: false,
      wait: undefined,
      resolve,
      reject,
    };
    this.#waiting.push(append);
    this.#waitingBytes += bytes;
    this.#pace.tell(this.#waiting.length);
    if (!this.#isSending) {
      this.#isSending = true;
      // Appends of one turn share a batch.
      queueMicrotask(() => void this.#send());
    }
    if (until === "durable") return outcome;
    return new Promise((resolve, reject) => {
      append.wait = this.#waits.begin(() => reject(this.#late(outcome)));
      outcome.then(resolve, reject);
    });
  }

  /**
   * Has the server's present run take all records that an earlier one may have lost.
   *
   * @param runId The run that must have them, so that rankings lie before later events on them.
   *   Default: a send under way may go on.
   * @throws {RedisUnavailableError} It has not yet.
   * @throws {LogFullError} The server has no room for them.
   * @throws {LogTailLostError} They cannot be appended again.
   */
  async complete(runId?: string): Promise<void> {
    if (this.#kept.areIn(runId)) return;
    // A sender does it itself, in order, before its next batch.
    if (!this.#isSending) {
      this.#isSending = true;
      try {
        await this.#sendLost(await this.#parts.checkedRun());
      } finally {
        void this.#send(); // what waits need not be awaited here
      }
    }
    if (runId === undefined || this.#kept.areIn(runId)) return;
    const cause = new Error("rankings that it has lost are being appended again");
    throw new RedisUnavailableError(this.#parts.server.url, false, cause);
  }

  /** Waits for the appends under way; later ones are refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#kept.close();
    while (this.#isSending) await pause(1);
    this.#confirmWhatMust();
    while (this.#isSending || this.#isConfirming) await pause(1);
    this.#waits.close();
  }

  #reasonToRefuse(bytes: number): Error | undefined {
    if (this.#isClosed) return new Error("the log is closed");
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      return new Error(`${this.#waitingBytes} bytes wait to be durable`);
    }
    const { commands } = this.#parts.server;
    return commands.downMs > this.#parts.awayAfterMs ? commands.failure : undefined;
  }

  /** The error for the caller of an append that has waited too long, and that goes on. */
  #late(outcome: Promise<number>): LateAppendError {
    const { log, server, writtenBudgetMs } = this.#parts;
    const late = new Error(`no answer within ${writtenBudgetMs} ms`);
    return new LateAppendError(log, server.commands.failure ?? late, outcome);
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#pace.next(this.#waiting.length);
      const count = fittingCount(this.#waiting);
      const appends = this.#waiting.slice(0, count);
      this.#waiting = this.#waiting.slice(count);
      await this.#deliver(appends);
    }
    this.#isSending = false;
  }

  #batchOf(appends: readonly Append[]): Batch {
    return {
      sequence: ++this.#sequence,
      appends,
      count: appends.reduce((sum, { records }) => sum + records.length, 0),
      bytes: appends.reduce((sum, { bytes }) => sum + bytes, 0),
      firstOffset: 0,
      runId: "",
    };
  }

  async #deliver(appends: readonly Append[]): Promise<void> {
    const batch = this.#batchOf(appends);
    const reply = await this.#sendUntilAnswered(batch);
    if (reply instanceof Error) return this.#failed(batch, reply);
    if (reply[0] === "OK") return this.#appended(batch, Number(reply[2]));
    if (reply[0] === "FULL" && appends.length > 1) {
      // Together they are too large; others may be taken.
      for (const append of appends) await this.#deliver([append]);
      return;
    }
    if (reply[0] === "TAKEN") {
      const isTaken = ({ attached }: Append) => attached?.key === reply[1];
      const refusal = refusalOf(reply, undefined, this.#parts);
      this.#failed(this.#batchOf(appends.filter(isTaken)), refusal);
      const others = appends.filter((append) => !isTaken(append));
      if (others.length > 0) await this.#deliver(others);
      return;
    }
    this.#failed(batch, refusalOf(reply, appends[0].fence, this.#parts));
  }

  /** Sends the batch until the server answers or the time of its appends is up. */
  async #sendUntilAnswered(batch: Batch): Promise<AppendReply | Error> {
    const untilMs = Math.max(...batch.appends.map((append) => append.untilMs));
    for (;;) {
      try {
        const runId = await this.#parts.checkedRun();
        await this.#sendLost(runId);
        return await sendBatch(batch, runId, this.#parts);
      } catch (error) {
        if (!(error instanceof RedisUnavailableError)) return this.#translated(error);
        if (performance.now() + RETRY_MS > untilMs) return this.#unavailable(error);
        await pause(RETRY_MS);
      }
    }
  }

  /** Sends the kept batches that a run of the server lacks, oldest first. */
  async #sendLost(runId: string): Promise<void> {
    if (this.#kept.areIn(runId)) return;
    let newestThere = 0;
    for (const batch of [...this.#kept.all]) {
      if (batch.runId === runId) continue;
      if (batch.sequence > newestThere) {
        const reply = await sendBatch(batch, runId, this.#parts, true);
        if (reply[0] === "EARLIER") newestThere = Number(reply[1]);
        else if (reply[0] !== "OK") await this.#refusedAgain(batch, reply);
      }
      batch.runId = runId;
    }
  }

  /** A lost batch is refused. Its callers are told; those that were answered cannot be. */
  async #refusedAgain(batch: Batch, reply: AppendReply): Promise<void> {
    if (hasWritten(batch)) {
      const { tailLost, moveOn } = this.#parts;
      const refusal = refusalOf(reply, undefined, this.#parts);
      // It is sent again when there is room.
      if (reply[0] === "FULL") throw refusal;
      if (reply[0] !== "SEALED" || moveOn === undefined) {
        return tailLost(batch.firstOffset + batch.count, batch.firstOffset);
      }
      this.#parts.onRefusal(refusal); // so that the log knows the next partitions
      await this.#moveOn(batch, moveOn);
    }
    this.#forget([batch]);
    this.#settle(batch, this.#unavailable(new Error(`it was lost and then ${reply[0]}`)));
  }

  /** Moves the `written` records of a batch on, once each where one of them fails. */
  async #moveOn(batch: Batch, moveOn: NonNullable<AppenderParts["moveOn"]>): Promise<void> {
    for (const append of batch.appends.filter(({ until }) => until === "written")) {
      for (const record of append.records) await moveOn(record, append.attached);
      batch.appends = batch.appends.filter((each) => each !== append);
      batch.count -= append.records.length;
    }
  }

  #appended(batch: Batch, bytesHeld: number): void {
    this.#parts.onRefusal(undefined);
    this.#parts.onBytes(bytesHeld);
    this.#settle(batch, undefined, "written");
    this.#kept.add(batch);
    this.#confirmWhatMust();
  }

  #confirmWhatMust(): void {
    if (this.#kept.mustConfirm && !this.#isConfirming) void this.#confirm();
  }

  /** Waits until the kept batches are durable. */
  async #confirm(): Promise<void> {
    this.#isConfirming = true;
    while (this.#kept.mustConfirm) {
      const covered = [...this.#kept.all];
      try {
        const { runId } = covered[covered.length - 1];
        await this.#parts.server.barrier.pass(runId);
        if (covered.every((batch) => batch.runId === runId)) this.#confirmed(covered);
        else {
          // An older run's batches are sent again first, perhaps by the sender.
          await pause(RETRY_MS);
          await this.complete();
        }
      } catch (error) {
        await this.#recover(error);
        // No caller waits: the next append or the next age tries again.
        if (!this.#kept.areAwaited) break;
      }
    }
    this.#isConfirming = false;
    this.#kept.age();
  }

  async #recover(error: unknown): Promise<void> {
    const isPassing = error instanceof RedisUnavailableError || error instanceof NotDurableError;
    const nowMs = performance.now();
    const late = this.#kept.all.filter(({ appends }) =>
      !isPassing || appends.every(({ untilMs }) => nowMs + RETRY_MS > untilMs)
    );
    const isLost = error instanceof LogTailLostError;
    this.#forget(late.filter((batch) => isLost || !hasWritten(batch)));
    const failure = isPassing ? this.#unavailable(error) : this.#translated(error);
    for (const batch of late.filter(isAwaited)) this.#settle(batch, failure);
    await pause(RETRY_MS);
    await this.complete().catch(() => {});
  }

  #confirmed(batches: readonly Batch[]): void {
    this.#kept.confirmed();
    this.#forget(batches);
    for (const batch of batches) {
      this.#parts.onDurable(batch.firstOffset + batch.count);
      this.#settle(batch, undefined);
    }
  }

  /** Batches that need not become durable. */
  #forget(batches: readonly Batch[]): void {
    this.#waitingBytes -= this.#kept.forget(batches);
  }

  /** A batch that was not appended. */
  #failed(batch: Batch, failure: Error): void {
    this.#waitingBytes -= batch.bytes;
    this.#settle(batch, failure);
  }

  /** Answers the appends of a batch, or those that wait for no more than `until`. */
  #settle(batch: Batch, failure: Error | undefined, until: AppendUntil = "durable"): void {
    if (failure) this.#parts.onRefusal(failure, batch.appends.at(0)?.fence);
    let offset = batch.firstOffset;
    for (const append of batch.appends) {
      if (until === "durable" || append.until === "written") {
        this.#answer(append, failure, offset);
      }
      offset += append.records.length;
    }
  }

  /** Answers an append, once. */
  #answer(append: Append, failure: Error | undefined, firstOffset: number): void {
    if (append.isSettled) return;
    append.isSettled = true;
    if (append.wait !== undefined) this.#waits.end(append.wait);
    if (!failure) append.resolve(firstOffset);
    else append.reject(failure);
  }

  #translated(error: unknown): Error {
    const full = fullMemory(error, this.#parts.log, this.#parts.server);
    if (full !== undefined) return full;
    return error instanceof Error ? error : new Error(String(error));
  }

  #unavailable(cause: Error): LogUnavailableError {
    const goOn = remedyWhileRunning(cause, "Appends go on as soon as Redis answers.");
    return new LogUnavailableError(
      this.#parts.log,
      `The records may have been written. ${goOn}`,
      cause,
      true,
    );
  }
}

/** Whether the batch has records that need not be durable. */
function hasWritten({ appends }: Batch): boolean {
  return appends.some(({ until }) => until === "written");
}
