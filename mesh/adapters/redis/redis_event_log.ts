/**
 * A log in Redis or Valkey: a stream per partition, with dense offsets.
 *
 * Every append is one script that knows its writer's sequence, so a repeated append is not doubled,
 * and that checks the epoch of a claimed partition. Readers see durable records only: a read passes
 * the durability barrier before it returns records that were not known to be durable. Records that
 * were acknowledged and are gone after a failover are detected, and the log then refuses.
 */
import {
  type AppendFence,
  type AppendUntil,
  type EventLog,
  LogFullError,
  type LogRecord,
  LogTailLostError,
  LogUnavailableError,
  type LogUsage,
  type OnceOutcome,
  type OnceRecord,
  partitionOf,
  StaleWriterError,
} from "../../ports/event_log.ts";
import { NotDurableError } from "./durability_barrier.ts";
import { fullMemory } from "./full_memory.ts";
import { LogAppender } from "./log_appender.ts";
import {
  appendOnceScript,
  claimScript,
  commitScript,
  openScript,
  rollScript,
  trimScript,
} from "./log_scripts.ts";
import { logBudgets } from "./log_budgets.ts";
import { LogPages } from "./log_pages.ts";
import { LogWatcher } from "./log_watcher.ts";
import { OnceArguments } from "./once_arguments.ts";
import { RedisUnavailableError } from "./redis_connection.ts";
import type { RedisServer } from "./redis_server.ts";
import type { ServerRun } from "./server_runs.ts";

/** Options of {@link RedisEventLog.open}. */
export interface RedisEventLogOptions {
  readonly server: RedisServer;
  /** For example `events`. */
  readonly name: string;
  readonly partitions: number;
  /** Bytes of records before appends fail. */
  readonly bytesMax: number;
  /** A fresh uuid of this process: the name under which its appends are numbered. */
  readonly writer: string;
  /** Time within which a failed command is made again, ms; default in log_budgets.ts. */
  readonly budgetMs?: number;
  /** Time for which ids of {@link RedisEventLog.appendOnce} are retained, ms; default one hour. */
  readonly idsRetainedMs?: number;
  /** Longest wait of an append that need not be durable, ms; default in log_budgets.ts. */
  readonly writtenBudgetMs?: number;
  /** Time without a connection until appends are refused at once, ms; default in log_budgets.ts. */
  readonly awayAfterMs?: number;
}

/** A log keeps the number of partitions that it was made with. */
export class LogPartitionsError extends Error {
  override readonly name = "LogPartitionsError";
  constructor(readonly log: string, readonly found: number, readonly asked: number) {
    super(
      `${log} has ${found} partitions, not ${asked}; open it with ${found}, or give the mesh another name.`,
    );
  }
}

interface Partition {
  readonly stream: string;
  readonly appender: LogAppender;
  readonly pages: LogPages;
  /** Records before this offset are known to be durable. */
  durable: number;
}

/** Default of {@link RedisEventLogOptions.idsRetainedMs}. */
const IDS_RETAINED_MS = 3_600_000;
/** Age at which the cached usage is read again, ms. */
const USAGE_AGE_MS = 1_000;

export class RedisEventLog implements EventLog {
  readonly partitions: number;
  readonly #options: RedisEventLogOptions;
  readonly #budgetMs: number;
  readonly #awayAfterMs: number;
  readonly #keys: { readonly log: string; readonly offsets: string; readonly writer: string };
  readonly #partitions: readonly Partition[];
  readonly #watcher: LogWatcher;
  #run: ServerRun | undefined;
  #bytes = 0;
  #usageReadMs = -Infinity;
  #refusal: Error | undefined;
  #lost: LogTailLostError | undefined;
  /** Records sent by {@link appendOnce}, for their tokens. */
  #onceSent = 0;

  private constructor(options: RedisEventLogOptions) {
    const { server, name, partitions, writer, bytesMax } = options;
    this.#options = options;
    this.#budgetMs = options.budgetMs ?? logBudgets.commandMs;
    this.#awayAfterMs = options.awayAfterMs ?? logBudgets.awayAfterMs;
    this.partitions = partitions;
    const log = server.key(`log:${name}`);
    this.#keys = { log, offsets: `${log}:offsets`, writer: `${log}:writer:${writer}` };
    const streamOf = (partition: number) => `${log}:${partition}`;
    this.#watcher = new LogWatcher({
      server,
      partitions,
      streamOf,
      endsOf: (asked) => this.#endsOf(asked),
    });
    this.#partitions = Array.from({ length: partitions }, (_, partition): Partition => ({
      stream: streamOf(partition),
      appender: new LogAppender({
        server,
        log: this.#inWords,
        partition,
        keys: { ...this.#keys, stream: streamOf(partition) },
        bytesMax,
        budgetMs: this.#budgetMs,
        writtenBudgetMs: options.writtenBudgetMs ?? logBudgets.writtenMs,
        awayAfterMs: this.#awayAfterMs,
        checkedRun: () => this.#checkedRun(),
        onBytes: (bytes) => this.#held(bytes),
        onAppended: (endOffset) => this.#watcher.tell(partition, endOffset),
        onDurable: (endOffset) => this.#durableTo(partition, endOffset),
        onRefusal: (refusal) => this.#refusal = refusal,
      }),
      pages: new LogPages(server, streamOf(partition)),
      durable: 0,
    }));
  }

  /**
   * Opens the log, or makes it.
   *
   * @throws {LogPartitionsError} It was made with another number of partitions.
   * @throws {LogTailLostError} A consumer has handled records that the log does not have.
   * @throws {LogUnavailableError} The server does not answer.
   */
  static async open(options: RedisEventLogOptions): Promise<RedisEventLog> {
    const log = new RedisEventLog(options);
    await log.#again(() => log.#open());
    return log;
  }

  append(
    partition: number,
    records: readonly Uint8Array[],
    until: AppendUntil = "durable",
    fence?: AppendFence,
  ): Promise<number> {
    // The caller may change its bytes after the call.
    const copies = records.map((record) => record.slice());
    return this.#partition(partition).appender.append(copies, until, fence);
  }

  async appendOnce(
    partition: number,
    records: readonly OnceRecord[],
  ): Promise<OnceOutcome[]> {
    const { stream } = this.#partition(partition);
    const { commands, runs, barrier } = this.#server;
    const { bytesMax, idsRetainedMs = IDS_RETAINED_MS, writer } = this.#options;
    if (commands.downMs > this.#awayAfterMs) {
      throw this.#refused(this.#unavailable(commands.failure));
    }
    const sent = records.map((record) =>
      new OnceArguments(record, `${writer}:${this.#onceSent++}`)
    );
    return await this.#again(async () => {
      const runId = await this.#checkedRun();
      const reply = await this.#atomic((run) =>
        appendOnceScript.run(commands, [runs.key, this.#keys.log, stream], [
          run,
          partition,
          bytesMax,
          idsRetainedMs,
          `${this.#keys.log}:once:`,
          ...sent.flatMap((each) => each.values),
        ])
      );
      if (reply[0] === "STALE") {
        throw new StaleWriterError(this.#inWords, partition, undefined, Number(reply[1]));
      }
      if (reply[0] === "FULL") throw new LogFullError(this.#inWords, Number(reply[1]), bytesMax);
      const [, held, end, values] = reply;
      // Also an earlier record is durable when its repetition is answered.
      await barrier.pass(runId);
      this.#refusal = undefined;
      this.#held(Number(held));
      this.#durableTo(partition, Number(end));
      this.#watcher.tell(partition, Number(end));
      return values.map((value, i) => sent[i].outcomeOf(value));
    }).catch((error) => {
      throw this.#refused(fullMemory(error, this.#inWords, this.#server) ?? error);
    });
  }

  async claim(partition: number, epoch: number): Promise<number> {
    this.#partition(partition);
    return await this.#again(async () => {
      const reply = await this.#atomic((runId) =>
        claimScript.run(this.#server.commands, [this.#server.runs.key, this.#keys.log], [
          runId,
          partition,
          epoch,
        ])
      );
      if (reply[0] === "STALE") {
        throw new StaleWriterError(this.#inWords, partition, epoch, Number(reply[1]));
      }
      await this.#server.barrier.pass(await this.#checkedRun());
      return Number(reply[1]);
    });
  }

  async claimedEpoch(partition: number): Promise<number> {
    this.#partition(partition);
    return await this.#again(async () => {
      await this.#checkedRun();
      const command = ["HGET", this.#keys.log, `epoch:${partition}`];
      return Number(await this.#server.commands.send<string | null>(command) ?? 0);
    });
  }

  async read(
    partition: number,
    fromOffset: number,
    recordsMax: number,
  ): Promise<LogRecord[]> {
    const target = this.#partition(partition);
    return await this.#again(async () => {
      const runId = await this.#checkedRun();
      const records = await target.pages.read(fromOffset, recordsMax);
      const last = records.at(-1);
      if (last && last.offset >= target.durable) {
        await this.#server.barrier.pass(runId);
        this.#durableTo(partition, last.offset + 1);
      }
      return records;
    });
  }

  async endOffset(partition: number): Promise<number> {
    this.#partition(partition);
    return await this.#again(async () => {
      await this.#checkedRun();
      const [end] = await this.#endsOf([partition]);
      return end;
    });
  }

  onAppended(partition: number, listener: () => void): () => void {
    this.#partition(partition);
    return this.#watcher.add(partition, listener);
  }

  async commitOffset(consumer: string, partition: number, offset: number): Promise<void> {
    this.#partition(partition);
    await this.#again(async () => {
      const { runs, commands, barrier } = this.#server;
      await this.#atomic((runId) =>
        commitScript.run(commands, [runs.key, this.#keys.offsets], [
          runId,
          `${partition} ${consumer}`,
          offset,
        ])
      );
      await barrier.pass(await this.#checkedRun());
    });
  }

  async committedOffset(consumer: string, partition: number): Promise<number> {
    this.#partition(partition);
    return await this.#again(async () => {
      const field = `${partition} ${consumer}`;
      return Number(
        await this.#server.commands.send<string | null>(["HGET", this.#keys.offsets, field]) ?? 0,
      );
    });
  }

  async trim(partition: number, offset: number): Promise<void> {
    const { stream } = this.#partition(partition);
    await this.#again(async () => {
      const { runs, commands } = this.#server;
      const [, bytes] = await this.#atomic((runId) =>
        trimScript.run(commands, [runs.key, this.#keys.log, stream], [runId, partition, offset])
      );
      this.#held(Number(bytes));
    });
  }

  async roll(partition: number): Promise<void> {
    const { stream } = this.#partition(partition);
    await this.#again(async () => {
      const { runs, commands } = this.#server;
      await this.#atomic((runId) =>
        rollScript.run(commands, [runs.key, this.#keys.log, stream], [runId, partition])
      );
    });
  }

  /** The usage as it was read last; reads it again where that was long ago. */
  usage(): LogUsage {
    if (performance.now() - this.#usageReadMs > USAGE_AGE_MS) {
      this.#usageReadMs = performance.now();
      this.#server.commands.send<string | null>(["HGET", this.#keys.log, "bytes"])
        .then((bytes) => this.#held(Number(bytes ?? 0)), () => {});
    }
    return { bytes: this.#bytes, bytesMax: this.#options.bytesMax };
  }

  refusal(): Error | undefined {
    if (this.#lost) return this.#lost;
    const { failure } = this.#server.commands;
    if (failure) return this.#unavailable(failure);
    // The server is there again, so the next append is tried.
    if (this.#refusal instanceof LogUnavailableError) this.#refusal = undefined;
    this.usage();
    return this.#refusal;
  }

  async close(): Promise<void> {
    this.#watcher.close();
    await Promise.all(this.#partitions.map(({ appender }) => appender.close()));
  }

  get #server(): RedisServer {
    return this.#options.server;
  }

  get #inWords(): string {
    return `${this.#options.name} at ${this.#options.server.url}`;
  }

  async #open(): Promise<void> {
    const { commands, runs } = this.#server;
    const { name, partitions } = this.#options;
    const found = Number(await openScript.run(commands, [this.#keys.log], [partitions]));
    if (found !== partitions) throw new LogPartitionsError(this.#inWords, found, partitions);
    await runs.registerLog(name, partitions);
    await this.#checkedRun();
    const ends = await this.#endsOf([...this.#partitions.keys()]);
    const offsets = await commands.send<string[]>(["HGETALL", this.#keys.offsets]);
    for (let i = 0; i < offsets.length; i += 2) {
      const partition = Number.parseInt(offsets[i]);
      const committed = Number(offsets[i + 1]);
      if (committed > (ends[partition] ?? 0)) this.#tailLost(partition, committed, ends[partition]);
    }
    this.#held(Number(await commands.send(["HGET", this.#keys.log, "bytes"]) ?? 0));
  }

  async #endsOf(partitions: readonly number[]): Promise<number[]> {
    const fields = partitions.map((partition) => `next:${partition}`);
    const ends = await this.#server.commands.send<(string | null)[]>(
      ["HMGET", this.#keys.log, ...fields],
    );
    return ends.map((end) => Number(end ?? 0));
  }

  /**
   * The server's run, after a check that every run since the last one began with all records that
   * are known to have been durable.
   *
   * @throws {LogTailLostError} One did; the log refuses from now on.
   */
  async #checkedRun(): Promise<string> {
    if (this.#lost) throw this.#lost;
    const run = await this.#server.runs.current();
    const before = this.#run;
    if (before && before.number !== run.number) {
      const ends = await this.#server.runs.lowestEnds(before, run);
      this.#partitions.forEach(({ durable }, partition) => {
        const end = ends.get(`${this.#options.name}/${partition}`) ?? Infinity;
        if (end < durable) this.#tailLost(partition, durable, end);
      });
    }
    this.#run = run;
    return run.id;
  }

  #refused(error: Error): Error {
    return this.#refusal = error;
  }

  #tailLost(partition: number, known: number, found: number): never {
    this.#lost = new LogTailLostError(this.#inWords, partition, known, found);
    throw this.#lost;
  }

  #durableTo(partition: number, endOffset: number): void {
    const target = this.#partitions[partition];
    target.durable = Math.max(target.durable, endOffset);
  }

  #held(bytes: number): void {
    this.#usageReadMs = performance.now();
    const isLess = bytes < this.#bytes;
    this.#bytes = bytes;
    if (isLess && this.#refusal instanceof LogFullError) this.#refusal = undefined;
  }

  /** Runs a script under the server's present run, again where that has just changed. */
  async #atomic<Reply extends readonly [string, ...unknown[]]>(
    run: (runId: string) => Promise<Reply>,
  ): Promise<Exclude<Reply, readonly ["RUN"]>> {
    const reply = await run(await this.#checkedRun());
    if (reply[0] !== "RUN") return reply as Exclude<Reply, readonly ["RUN"]>;
    this.#server.runs.leave();
    const { url } = this.#server;
    throw new RedisUnavailableError(url, false, new Error("the server was restarted meanwhile"));
  }

  /** Makes a command again while the server is away, until its time is up. */
  async #again<R>(command: () => Promise<R>): Promise<R> {
    const untilMs = performance.now() + this.#budgetMs;
    for (;;) {
      try {
        return await command();
      } catch (error) {
        const isPassing = error instanceof RedisUnavailableError ||
          error instanceof NotDurableError;
        if (!isPassing) throw error;
        if (performance.now() + logBudgets.retryMs > untilMs) throw this.#unavailable(error);
      }
      await new Promise((resolve) => setTimeout(resolve, logBudgets.retryMs));
    }
  }

  #unavailable(cause: unknown): LogUnavailableError {
    return new LogUnavailableError(
      this.#inWords,
      "Check that Redis runs; the log goes on as soon as it answers.",
      cause,
      true,
    );
  }

  #partition(partition: number): Partition {
    return partitionOf(this.#partitions, partition);
  }
}
