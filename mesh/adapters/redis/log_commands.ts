/**
 * The commands of one log: made again while the server is away, and only under a run of the server
 * that has every record that is known to be durable.
 */
import { setTimeout as pause } from "node:timers/promises";
import { LogTailLostError, LogUnavailableError } from "../../ports/event_log.ts";
import { NotDurableError } from "./durability_barrier.ts";
import { logBudgets } from "./log_budgets.ts";
import { RedisUnavailableError } from "./redis_connection.ts";
import { remedyWhileRunning } from "./redis_client.ts";
import type { RedisServer } from "./redis_server.ts";
import { UnsafeRedisError } from "./server_check.ts";
import { type ServerRun, sharedEnds } from "./server_past.ts";

export interface LogCommandsOptions {
  readonly server: RedisServer;
  /** Name of the log, for example `events`. */
  readonly name: string;
  /** Name of the log in error messages. */
  readonly inWords: string;
  /** Time within which a failed command is made again, ms. */
  readonly budgetMs: number;
  /** Called when another run was entered, which has lost nothing that is known to be durable. */
  onOtherRun(): void;
}

export class LogCommands {
  readonly #options: LogCommandsOptions;
  /** By partition: records before this offset are known to be durable. */
  readonly #durable = new Map<number, number>();
  #run: ServerRun | undefined;
  #lost: LogTailLostError | undefined;

  constructor(options: LogCommandsOptions) {
    this.#options = options;
  }

  /** The reason why the log refuses for ever; undefined where it does not. */
  get lost(): LogTailLostError | undefined {
    return this.#lost;
  }

  /** The offset before which a partition's records are known to be durable. */
  durableEnd(partition: number): number {
    return this.#durable.get(partition) ?? 0;
  }

  /** Records before `endOffset` are durable. */
  durableTo(partition: number, endOffset: number): void {
    this.#durable.set(partition, Math.max(this.durableEnd(partition), endOffset));
  }

  /**
   * Makes a command, again while the server is away, until its time is up.
   *
   * @throws {LogUnavailableError} The time is up.
   */
  async again<R>(command: () => Promise<R>): Promise<R> {
    const untilMs = performance.now() + this.#options.budgetMs;
    for (;;) {
      try {
        return await command();
      } catch (error) {
        const isPassing = error instanceof RedisUnavailableError ||
          error instanceof NotDurableError;
        if (!isPassing) throw error;
        if (performance.now() + logBudgets.retryMs > untilMs) throw this.unavailable(error);
      }
      await pause(logBudgets.retryMs);
    }
  }

  /**
   * Runs a script under the server's present run.
   *
   * @throws {RedisUnavailableError} The run has just changed: {@link again} makes it again.
   */
  async atomic<Reply extends readonly [string, ...unknown[]]>(
    script: (runId: string) => Promise<Reply>,
  ): Promise<Exclude<Reply, readonly ["RUN"]>> {
    return (await this.#attempt(script)).reply;
  }

  /**
   * Runs a script as {@link atomic} does, and resolves when its writes are durable under the run
   * that it had.
   *
   * @throws {NotDurableError} They are not in time.
   * @throws {RedisUnavailableError} Another run has begun, which may lack them.
   */
  async durable<Reply extends readonly [string, ...unknown[]]>(
    script: (runId: string) => Promise<Reply>,
  ): Promise<Exclude<Reply, readonly ["RUN"]>> {
    const { reply, runId } = await this.#attempt(script);
    await this.#options.server.barrier.pass(runId);
    return reply;
  }

  async #attempt<Reply extends readonly [string, ...unknown[]]>(
    script: (runId: string) => Promise<Reply>,
  ): Promise<{ readonly reply: Exclude<Reply, readonly ["RUN"]>; readonly runId: string }> {
    const runId = await this.checkedRun();
    const reply = await script(runId);
    if (reply[0] !== "RUN") return { reply: reply as Exclude<Reply, readonly ["RUN"]>, runId };
    const { server: { runs, url } } = this.#options;
    runs.leave();
    throw new RedisUnavailableError(url, false, new Error("the server was restarted meanwhile"));
  }

  /**
   * The server's run, after a check that the server has all records that were known to be durable
   * in the last one.
   *
   * @throws {LogTailLostError} It has not; the log refuses from now on.
   */
  async checkedRun(): Promise<string> {
    if (this.#lost) throw this.#lost;
    const { server: { runs }, name } = this.#options;
    const run = await runs.current();
    const before = this.#run;
    if (before && before.id !== run.id) {
      const known = [...this.#durable];
      const ends = sharedEnds(before, run, known.map(([p]) => `${name}/${p}`));
      known.forEach(([partition, durable], i) => {
        if (ends[i] < durable) this.tailLost(partition, durable, ends[i]);
      });
    }
    this.#run = run;
    if (before && before.id !== run.id) this.#options.onOtherRun();
    return run.id;
  }

  /**
   * @param known Records before this offset were there.
   * @param found The end of the partition now.
   * @throws {LogTailLostError} Always; the log refuses from now on.
   */
  tailLost(partition: number, known: number, found: number): never {
    this.#lost = new LogTailLostError(this.#options.inWords, partition, known, found);
    throw this.#lost;
  }

  unavailable(cause: Error): LogUnavailableError {
    const remedy = cause.cause instanceof UnsafeRedisError
      ? "The log goes on by itself then."
      : remedyWhileRunning(cause, "Check that Redis runs; the log goes on as soon as it answers.");
    return new LogUnavailableError(this.#options.inWords, remedy, cause, true);
  }
}
