/**
 * The appends of one process to one partition of a simulated log: one batch is on the way at a
 * time, and appends that come meanwhile make the next one. An append that need not be durable is
 * answered after a short time at the latest, and is sent all the same. It is kept until the process
 * knows that it is durable, and sent again where a fail-over has lost it: before a newer one, and
 * to the next partitions where its own was sealed meanwhile.
 */
import { logBudgets } from "../../mesh/adapters/redis/log_budgets.ts";
import {
  type AppendFence,
  type AppendUntil,
  LogFullError,
  SealedPartitionError,
} from "../../mesh/ports/event_log.ts";
import type { Clock, Timer } from "../../mesh/ports/clock.ts";
import type { AppendResult, AttachedChange, LogAppend } from "./log_state.ts";
import { RedisAwayError } from "./redis_link.ts";

export interface LogAppendsOptions {
  readonly clock: Clock;
  /** @throws {RedisAwayError} No answer came. */
  readonly send: (
    sequence: number,
    batch: readonly LogAppend[],
  ) => Promise<readonly AppendResult[]>;
  /**
   * Resolves when all that the server has is durable.
   *
   * @throws {RedisAwayError} No answer came.
   */
  readonly confirm: () => Promise<void>;
  /** Appends a lost record of this partition, which is sealed, where it belongs since, durably. */
  readonly moveOn: (append: Pick<LogAppend, "records" | "attached">) => Promise<void>;
  /** Id of the server's present run. */
  readonly run: () => string;
  /** Records before `end` are durable. */
  readonly onDurable: (end: number) => void;
  /**
   * Records from `found` to `known` are lost, and cannot be appended again.
   *
   * @throws {LogTailLostError} Always; the log refuses from now on.
   */
  readonly tailLost: (known: number, found: number) => never;
  /** Why the last append was refused; undefined after one that was taken. */
  readonly onRefusal: (refusal: Error | undefined) => void;
  readonly unavailable: (cause: Error) => Error;
  /** The error of an append that takes long; `outcome` is that of the append. */
  readonly late: (cause: Error, outcome: Promise<number>) => Error;
}

interface Append extends LogAppend {
  readonly untilMs: number;
  isAgain: boolean;
  timer: Timer | undefined;
  settle(result: AppendResult): void;
}

/** A batch whose records need not be durable, as the server has taken it. */
interface Written {
  readonly sequence: number;
  /** Without those whose records were moved on. */
  batch: readonly Append[];
  /** As the run has it that took it last. */
  firstOffset: number;
  endOffset: number;
  run: string;
}

/** Batches that are kept before they are made sure of; few, so that a run comes to it. */
const WRITTEN_MAX = 64;

export class LogAppends {
  readonly #options: LogAppendsOptions;
  #waiting: Append[] = [];
  #sequence = 0;
  #sending: Promise<void> | undefined;
  /** Batches that are not known to be durable, oldest first. */
  #written: Written[] = [];
  /** Makes sure of the batches when some are old. */
  #aging: Timer | undefined;
  #isClosed = false;

  constructor(options: LogAppendsOptions) {
    this.#options = options;
  }

  append(
    records: readonly Uint8Array[],
    until: AppendUntil,
    fence: AppendFence | undefined,
    attached?: AttachedChange,
  ): Promise<number> {
    const { clock, onRefusal, late } = this.#options;
    const { promise: outcome, resolve, reject } = Promise.withResolvers<number>();
    const append: Append = {
      records,
      fence,
      attached,
      isAgain: false,
      isUrgent: until === "durable",
      untilMs: clock.monotonicMs() + logBudgets.commandMs,
      timer: undefined,
      settle(result) {
        append.timer?.cancel();
        onRefusal(typeof result === "number" ? undefined : result);
        if (typeof result === "number") resolve(result);
        else reject(result);
      },
    };
    this.#waiting.push(append);
    this.#sending ??= this.#send();
    if (until === "durable") return outcome;
    const { writtenMs } = logBudgets;
    return new Promise((resolve, reject) => {
      append.timer = clock.schedule(writtenMs, () => {
        const failure = late(new Error(`no answer within ${writtenMs} ms`), outcome);
        onRefusal(failure);
        reject(failure);
      });
      outcome.then(resolve, reject);
    });
  }

  /**
   * Has the server's present run take all batches that an earlier one may have lost.
   *
   * @throws {RedisAwayError} It has not yet.
   */
  async complete(): Promise<void> {
    if (this.#areThere) return;
    // A sender does it itself, before its next batch.
    if (this.#sending === undefined) {
      const sent = this.#sendLost();
      this.#sending = sent.catch(() => {}).then(() => this.#send());
      await sent;
    }
    if (!this.#areThere) throw new RedisAwayError("lost rankings are being appended again");
  }

  /** Waits for the appends under way, and makes sure of those that need not be durable. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#aging?.cancel();
    await this.#sending;
    await this.#confirm();
  }

  /** Whether the present run has all batches: the newest is sent last. */
  get #areThere(): boolean {
    const newest = this.#written.at(-1);
    return newest === undefined || newest.run === this.#options.run();
  }

  /** Makes sure of the batches, or tries again when they are old. Never fails. */
  async #confirm(): Promise<void> {
    try {
      await this.complete();
      const covered = [...this.#written];
      if (covered.length === 0) return;
      const run = this.#options.run();
      await this.#options.confirm();
      // Another run may lack them, and has them sent again.
      if (this.#options.run() === run) this.#confirmed(covered);
    } catch {
      // The next append, run or age tries again.
    }
    this.#age();
  }

  #confirmed(batches: readonly Written[]): void {
    this.#written = this.#written.filter((each) => !batches.includes(each));
    this.#options.onDurable(Math.max(...batches.map(({ endOffset }) => endOffset)));
  }

  #age(): void {
    if (this.#written.length === 0 || this.#aging !== undefined || this.#isClosed) return;
    this.#aging = this.#options.clock.schedule(logBudgets.unconfirmedMsMax, () => {
      this.#aging = undefined;
      void this.#confirm();
    });
  }

  async #send(): Promise<void> {
    await Promise.resolve(); // appends of one turn share a batch
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#deliver(batch, ++this.#sequence);
    }
    this.#sending = undefined;
  }

  async #deliver(batch: readonly Append[], sequence: number): Promise<void> {
    const { clock, run, send, unavailable } = this.#options;
    const untilMs = Math.max(...batch.map((append) => append.untilMs));
    for (;;) {
      try {
        await this.#sendLost();
        const present = run();
        const results = await send(sequence, batch);
        this.#appended(batch, results, { sequence, run: present });
        results.forEach((result, i) => batch[i].settle(result));
        return;
      } catch (error) {
        const failure = error instanceof RedisAwayError ? unavailable(error) : error as Error;
        const isOver = clock.monotonicMs() + logBudgets.retryMs > untilMs;
        if (!(error instanceof RedisAwayError) || isOver) {
          for (const append of batch) append.settle(failure);
          return;
        }
        await new Promise<void>((resolve) => void clock.schedule(logBudgets.retryMs, resolve));
      }
    }
  }

  /** Keeps what a later run may lack, until something behind it waited for the disk. */
  #appended(
    batch: readonly Append[],
    results: readonly AppendResult[],
    sent: Pick<Written, "sequence" | "run">,
  ): void {
    const taken = batch.flatMap((append, i) => {
      const first = results[i];
      return typeof first === "number" ? [{ append, first }] : [];
    });
    if (taken.length === 0) return;
    const batchTaken = taken.map(({ append }) => append);
    for (const append of batchTaken) append.isAgain = true;
    const offsets = offsetsOf(batchTaken, taken.map(({ first }) => first));
    if (batchTaken.some(({ isUrgent }) => isUrgent)) {
      this.#written = [];
      return this.#options.onDurable(offsets.endOffset);
    }
    this.#written.push({ ...sent, ...offsets, batch: batchTaken });
    if (this.#written.length < WRITTEN_MAX) this.#age();
    else if (this.#written.length === WRITTEN_MAX) void this.#confirm();
  }

  /** Sends lost batches again, oldest first. */
  async #sendLost(): Promise<void> {
    const { run, send, tailLost, onRefusal } = this.#options;
    for (const written of [...this.#written]) {
      const present = run();
      if (written.run === present) continue;
      const results = await send(written.sequence, written.batch);
      const refused = results.find((result) => result instanceof Error);
      if (refused instanceof LogFullError) throw refused;
      if (refused instanceof SealedPartitionError) {
        onRefusal(refused); // so that the log knows the next partitions
        await this.#moveOn(written);
      } else if (refused !== undefined) tailLost(written.endOffset, written.firstOffset);
      const firsts = results.filter((result) => typeof result === "number");
      // Without results the run has it where it was.
      if (firsts.length > 0) Object.assign(written, offsetsOf(written.batch, firsts));
      written.run = present;
    }
  }

  async #moveOn(written: Written): Promise<void> {
    for (const append of written.batch) {
      await this.#options.moveOn(append);
      written.batch = written.batch.filter((each) => each !== append);
    }
    this.#written = this.#written.filter((each) => each !== written);
  }
}

/** @param firsts First offset of each append. */
function offsetsOf(
  batch: readonly Append[],
  firsts: readonly number[],
): Pick<Written, "firstOffset" | "endOffset"> {
  const last = batch.length - 1;
  return { firstOffset: firsts[0], endOffset: firsts[last] + batch[last].records.length };
}
