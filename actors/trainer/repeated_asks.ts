/**
 * Asks to one shard, repeated as long as the shard is slow: a trainer has nothing else to do
 * meanwhile, and a restart would make no shard faster. Other failures are bounded.
 *
 * The budget follows the shard: it doubles with each ask that times out, and an answer sets it to
 * twice the time that the answer took. A `trainer.shardBudget` below the shard's latency then costs
 * a few repeated asks.
 */
import type { ActorContext, Message } from "../../mesh/runtime/actor.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";

/** Longest budget of one ask, ms: an ask that was lost is repeated after it. */
const BUDGET_MS_MAX = 60_000;
/** Longest budget while the trainer runs, ms: a stop waits for the asks on their way. */
const RUNNING_BUDGET_MS_MAX = 20_000;
/** Time for which a start asks a receiver that is not there: a busy thread makes it late, ms. */
const ABSENT_MS_MAX = 10_000;
/** Delay before an ask is repeated, ms. */
const STARTING_PAUSE_MS = 200;
const RUNNING_PAUSE_MS = 100;
/** Time between two log lines about one ask, ms. */
const LOG_INTERVAL_MS = 10_000;

/** Errors by which a receiver that is alive is slow. By name: it may live in another thread. */
const SLOW_ERRORS: ReadonlySet<string> = new Set(["AskTimeoutError", "OverloadedError"]);

export interface RepeatedAsksOptions {
  /** The asker's. Its end ends the repeating. */
  readonly context: Pick<ActorContext<Message>, "clock" | "telemetry" | "isCurrent" | "pause">;
  /** The receiver's address, for the log. */
  readonly address: string;
  /** Least budget of an ask, ms. */
  readonly budgetMs: number;
  /** Asks that may fail for another reason than slowness, e.g. since the receiver crashed. */
  readonly failuresMax: number;
  /** Errors of the receiver that a further ask would get again, by name. */
  readonly finalErrors: ReadonlySet<string>;
}

/** How one ask is repeated. */
export interface Repeating {
  /**
   * Waits longer between the asks, asks longer where they fail, and says in the log that it is a
   * start that waits.
   */
  readonly isStart?: boolean;
  /** Time left for all asks, ms. Default: no limit. */
  remainingMs?(): number;
}

export class RepeatedAsks {
  readonly #options: RepeatedAsksOptions;
  #budgetMs: number;
  #isEnded = false;

  constructor(options: RepeatedAsksOptions) {
    this.#options = options;
    this.#budgetMs = options.budgetMs;
  }

  /** Budget with which the next ask begins, ms. */
  get budgetMs(): number {
    return this.#budgetMs;
  }

  /** Lets the asks on their way be the last ones. */
  end(): void {
    this.#isEnded = true;
  }

  /**
   * Asks until there is an answer, without a bound on the number of asks that time out or find the
   * mailbox full.
   *
   * @throws {Error} The error of the last ask: it is final, or one of `failuresMax` for another
   * reason than slowness (at a start, after {@link ABSENT_MS_MAX}), or the asker or its time has
   * ended.
   */
  async ask<R>(
    ask: (budgetMs: number) => Promise<R>,
    { isStart = false, remainingMs }: Repeating = {},
  ): Promise<R> {
    const { context, failuresMax, finalErrors } = this.#options;
    const { clock } = context;
    const budgetMsMax = isStart ? BUDGET_MS_MAX : RUNNING_BUDGET_MS_MAX;
    const beganMs = clock.monotonicMs();
    let sentMs = beganMs;
    let loggedMs = beganMs;
    let budgetMs = this.#budgetMs;
    let failures = 0;
    for (;;) {
      try {
        const answer = await ask(Math.min(budgetMs, remainingMs?.() ?? budgetMs));
        this.#answered(clock.monotonicMs() - sentMs, budgetMsMax);
        return answer;
      } catch (error) {
        const { name } = error as Error;
        const isSlow = SLOW_ERRORS.has(name);
        if (!isSlow) failures++;
        const isOver = this.#isEnded || !context.isCurrent || (remainingMs?.() ?? 1) <= 0;
        const isPatient = isStart && clock.monotonicMs() - beganMs < ABSENT_MS_MAX;
        const isGivenUp = failures >= failuresMax && !isPatient;
        if (isOver || finalErrors.has(name) || isGivenUp) throw error;
        loggedMs = this.#log(error, { isStart, beganMs, loggedMs });
        if (name === "AskTimeoutError") {
          budgetMs = Math.min(2 * budgetMs, Math.max(budgetMsMax, this.#options.budgetMs));
          this.#budgetMs = Math.max(this.#budgetMs, budgetMs);
        }
        if (isStart) await context.pause(STARTING_PAUSE_MS);
        // A shard that has moved is at once where the next ask goes, or within a moment.
        else if (name === "OverloadedError" || failures > 1) await context.pause(RUNNING_PAUSE_MS);
        sentMs = clock.monotonicMs();
      }
    }
  }

  #answered(tookMs: number, budgetMsMax: number): void {
    const { budgetMs } = this.#options;
    this.#budgetMs = Math.max(budgetMs, Math.min(2 * tookMs, budgetMsMax));
  }

  /** @returns When the last line was logged. */
  #log(
    error: unknown,
    { isStart, beganMs, loggedMs }: { isStart: boolean; beganMs: number; loggedMs: number },
  ): number {
    const { context: { clock, telemetry }, address } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - loggedMs < LOG_INTERVAL_MS) return loggedMs;
    const prefix = isStart ? "starting: " : "";
    telemetry.log("warn", `${prefix}still waiting for the answer of ${address}`, {
      seconds: Math.round((nowMs - beganMs) / 1_000),
      reason: reasonOf(error),
    });
    return nowMs;
  }
}
