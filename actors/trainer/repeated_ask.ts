/**
 * An ask that is repeated as long as its receiver is slow. A trainer's start depends on the answers
 * of its shards and has nothing else to do meanwhile; a start that failed would end the process.
 */
import type { ActorContext, Message } from "../../mesh/runtime/actor.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";

/** Longest budget of one ask, ms: an ask that was lost is repeated after it. */
const BUDGET_MS_MAX = 60_000;
/** Delay before an ask is repeated, ms. */
const REPEAT_DELAY_MS = 200;
/** Time between two log lines about one ask, ms. */
const LOG_INTERVAL_MS = 10_000;

/** Errors by which a receiver that is alive is slow. By name: it may live in another thread. */
const SLOW_ERRORS: ReadonlySet<string> = new Set(["AskTimeoutError", "OverloadedError"]);

export interface RepeatedAskOptions {
  /** The asker's. Its end ends the repeating. */
  readonly context: Pick<ActorContext<Message>, "clock" | "telemetry" | "isCurrent" | "pause">;
  /** The receiver's address, for the log. */
  readonly address: string;
  /** Budget of the first ask, ms. It doubles with each further one. */
  readonly budgetMs: number;
  /** Asks that may fail for another reason than slowness, e.g. since the receiver crashed. */
  readonly failuresMax: number;
}

/**
 * Asks until there is an answer, without a bound on the number of asks that time out or find the
 * mailbox full.
 *
 * @throws {Error} The error of the last ask: it failed `failuresMax` times for another reason than
 * slowness, or its asker has ended.
 */
export async function askUntilAnswered<R>(
  ask: (budgetMs: number) => Promise<R>,
  { context, address, budgetMs, failuresMax }: RepeatedAskOptions,
): Promise<R> {
  const { clock, telemetry } = context;
  const beganMs = clock.monotonicMs();
  let loggedMs = beganMs;
  let failures = 0;
  for (let currentMs = budgetMs;; currentMs = Math.min(2 * currentMs, BUDGET_MS_MAX)) {
    try {
      return await ask(currentMs);
    } catch (error) {
      if (!SLOW_ERRORS.has((error as Error).name)) failures++;
      if (!context.isCurrent || failures >= failuresMax) throw error;
      const nowMs = clock.monotonicMs();
      if (nowMs - loggedMs >= LOG_INTERVAL_MS) {
        loggedMs = nowMs;
        telemetry.log("warn", `starting: still waiting for the answer of ${address}`, {
          seconds: Math.round((nowMs - beganMs) / 1_000),
          reason: reasonOf(error),
        });
      }
      await context.pause(REPEAT_DELAY_MS);
    }
  }
}
