/**
 * The appends of one process to one partition of a simulated log: one batch is on the way at a
 * time, and appends that come meanwhile make the next one. An append that need not be durable is
 * answered after a short time at the latest, and is sent all the same.
 */
import { logBudgets } from "../../mesh/adapters/redis/log_budgets.ts";
import type { AppendFence, AppendUntil } from "../../mesh/ports/event_log.ts";
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
  /** Records before `end` are durable. */
  readonly onAppended: (end: number) => void;
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

export class LogAppends {
  readonly #options: LogAppendsOptions;
  #waiting: Append[] = [];
  #sequence = 0;
  #sending: Promise<void> | undefined;

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
    const { clock, send, onAppended, unavailable } = this.#options;
    const untilMs = Math.max(...batch.map((append) => append.untilMs));
    for (;;) {
      try {
        const results = await send(sequence, batch);
        results.forEach((result, i) => {
          if (typeof result === "number") onAppended(result + batch[i].records.length);
          batch[i].settle(result);
        });
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
}
