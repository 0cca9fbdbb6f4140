/**
 * The appends of one process to one partition of a simulated log: one batch is on the way at a
 * time, and appends that come meanwhile make the next one. An append that need not be durable is
 * answered after a short time at the latest, and is sent all the same. It is kept until the process
 * knows that it is durable, and sent again where a fail-over has lost it.
 */
import { logBudgets } from "../../mesh/adapters/redis/log_budgets.ts";
import { type AppendFence, type AppendUntil, LogFullError } from "../../mesh/ports/event_log.ts";
import type { Clock, Timer } from "../../mesh/ports/clock.ts";
import type { AppendResult, LogAppend } from "./log_state.ts";
import { RedisAwayError } from "./redis_link.ts";

export interface LogAppendsOptions {
  readonly clock: Clock;
  /** @throws {RedisAwayError} No answer came. */
  readonly send: (
    sequence: number,
    batch: readonly LogAppend[],
  ) => Promise<readonly AppendResult[]>;
  /** Number of the server's present run. */
  readonly run: () => number;
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
  timer: Timer | undefined;
  settle(result: AppendResult): void;
}

/** A batch whose records need not be durable, as the server has taken it. */
interface Written {
  readonly sequence: number;
  readonly batch: readonly Append[];
  readonly firstOffset: number;
  readonly endOffset: number;
  /** The run that has it. */
  run: number;
}

/** Batches that are kept; few, so that some of a run are known to be durable. */
const WRITTEN_MAX = 64;

export class LogAppends {
  readonly #options: LogAppendsOptions;
  #waiting: Append[] = [];
  #sequence = 0;
  #sending: Promise<void> | undefined;
  /** Batches that are not known to be durable, oldest first. */
  #written: Written[] = [];

  constructor(options: LogAppendsOptions) {
    this.#options = options;
  }

  append(
    records: readonly Uint8Array[],
    until: AppendUntil,
    fence: AppendFence | undefined,
    alsoDo?: () => void,
  ): Promise<number> {
    const { clock, onRefusal, late } = this.#options;
    const { promise: outcome, resolve, reject } = Promise.withResolvers<number>();
    const append: Append = {
      records,
      fence,
      alsoDo,
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

  /** Sends the batches again that another run of the server may have lost. Never fails. */
  sendAgain(): void {
    // The sender does it itself, before its next batch.
    this.#sending ??= this.#sendAgain().catch(() => {}).then(() => this.#send());
  }

  /** Waits for the appends under way. */
  async close(): Promise<void> {
    await this.#sending;
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
        await this.#sendAgain();
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
    const last = taken[taken.length - 1];
    const endOffset = last.first + last.append.records.length;
    if (taken.some(({ append }) => append.isUrgent) || this.#written.length === WRITTEN_MAX) {
      this.#written = [];
      return this.#options.onDurable(endOffset);
    }
    const [{ first: firstOffset }] = taken;
    this.#written.push({
      ...sent,
      batch: taken.map(({ append }) => append),
      firstOffset,
      endOffset,
    });
  }

  /** Sends lost batches again, oldest first. */
  async #sendAgain(): Promise<void> {
    const { run, send, tailLost } = this.#options;
    for (const written of [...this.#written]) {
      const present = run();
      if (written.run === present) continue;
      const results = await send(written.sequence, written.batch);
      const refused = results.find((result) => result instanceof Error);
      if (refused instanceof LogFullError) throw refused;
      if (refused !== undefined) tailLost(written.endOffset, written.firstOffset);
      written.run = present;
    }
  }
}
