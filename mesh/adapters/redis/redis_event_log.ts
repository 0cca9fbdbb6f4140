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
  type ListenerHaste,
  type LogExtent,
  type LogMark,
  type LogReader,
  type LogRecord,
  type LogUsage,
  type MarkedPartition,
  type OnceOutcome,
  type OnceRecord,
  SealedPartitionError,
  StaleWriterError,
} from "../../ports/event_log.ts";
import { LOG_FORMAT, LogFormatError } from "../../ports/log_format.ts";
import type { AttachedValue } from "./append_batch.ts";
import { ConsumerOffsets } from "./consumer_offsets.ts";
import { LogAppender } from "./log_appender.ts";
import {
  claimScript,
  extendScript,
  extentOf,
  openScript,
  rollScript,
  trimScript,
} from "./log_scripts.ts";
import { logBudgets } from "./log_budgets.ts";
import { type LogKeys, logKeys } from "./log_keys.ts";
import { LogCommands } from "./log_commands.ts";
import { LogRoom, type WriterClaim } from "./log_room.ts";
import { KnownPartitions } from "./known_partitions.ts";
import { LogPages } from "./log_pages.ts";
import { LogWatcher } from "./log_watcher.ts";
import { LogPartitionsError, type RedisEventLogOptions } from "./redis_log_options.ts";
import { type RedisConnection, RedisUnavailableError } from "./redis_connection.ts";
import type { RedisServer } from "./redis_server.ts";
import { replicationIdOf } from "./server_runs.ts";
import { type NeededKeys, SharedAppends } from "./shared_appends.ts";

interface Partition {
  readonly stream: string;
  readonly appender: LogAppender;
  readonly pages: LogPages;
}

export class RedisEventLog implements EventLog {
  readonly #options: RedisEventLogOptions;
  readonly appendMaxMs: number;
  readonly #keys: LogKeys;
  readonly #known = new KnownPartitions((partition) => this.#newPartition(partition));
  readonly #commands: LogCommands;
  readonly #offsets: ConsumerOffsets;
  readonly #watcher: LogWatcher;
  readonly #shared: SharedAppends;
  readonly #room: LogRoom;
  readonly #unsubscribe: () => void;

  private constructor(options: RedisEventLogOptions) {
    const { server, name, writer, bytesMax } = options;
    this.#options = options;
    const budgetMs = options.budgetMs ?? logBudgets.commandMs;
    // The last attempt may be answered late, or the server carries it out without an answer.
    this.appendMaxMs = budgetMs + server.commands.deadlineMs;
    const sendLost = () => {
      // Without an answer the next connection, append or run tries again.
      for (const { appender } of this.#known.all) appender.complete().catch(() => {});
    };
    this.#commands = new LogCommands({
      server,
      name,
      inWords: this.#inWords,
      budgetMs,
      onOtherRun: sendLost,
    });
    this.#unsubscribe = server.commands.onReady(sendLost);
    const keys = this.#keys = logKeys(server.key(`log:${name}`), writer);
    this.#room = new LogRoom(server.commands, keys.log, bytesMax);
    this.#offsets = new ConsumerOffsets(server, this.#commands, keys.offsets);
    this.#watcher = new LogWatcher({
      server,
      keys,
      lazyMs: options.lazyMs ?? logBudgets.lazyMs,
      endsOf: (asked) => this.#endsOf(asked),
    });
    this.#shared = new SharedAppends({
      server,
      commands: this.#commands,
      log: this.#inWords,
      keys,
      writer,
      bytesMax,
      idsRetainedMs: options.idsRetainedMs ?? logBudgets.idsRetainedMs,
      awayAfterMs: options.awayAfterMs ?? logBudgets.awayAfterMs,
      streamOf: (partition) => this.#known.of(partition).stream,
      complete: (partition, runId) => this.#complete(partition, runId),
      onBytes: (bytes) => this.#room.held(bytes),
      onRefusal: (error) => this.#appended(error),
    });
  }

  get partitions(): number {
    return this.#known.extent.partitions;
  }

  get firstPartition(): number {
    return this.#known.extent.firstPartition;
  }

  /**
   * Opens the log, or makes it.
   *
   * @throws {LogFormatError} A build with another format made it.
   * @throws {LogPartitionsError} It was made with another number of partitions.
   * @throws {LogTailLostError} A consumer has handled records that the log does not have.
   * @throws {LogUnavailableError} The server does not answer.
   */
  static async open(options: RedisEventLogOptions): Promise<RedisEventLog> {
    const log = new RedisEventLog(options);
    await log.#commands.again(() => log.#open());
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
    return this.#known.of(partition).appender.append(copies, until, fence);
  }

  /**
   * Appends a record as `written`, and has the server store a value in the same step.
   *
   * @throws {KeyTakenError} The server has another value there, which it does not replace.
   * @throws As {@link append} does.
   */
  appendWith(partition: number, record: Uint8Array, attached: AttachedValue): Promise<number> {
    const { appender } = this.#known.of(partition);
    return appender.append([record.slice()], "written", undefined, attached);
  }

  /** @param needed Default: the append needs no key. */
  appendOnce(
    partition: number,
    records: readonly OnceRecord[],
    needed?: NeededKeys,
  ): Promise<OnceOutcome[]> {
    return this.#shared.appendOnce(partition, records, needed);
  }

  mark(partitions: readonly MarkedPartition[], mark: LogMark): Promise<number[]> {
    return this.#shared.mark(partitions, mark);
  }

  async extend({ firstPartition, partitions }: LogExtent): Promise<void> {
    await this.#commands.again(async () => {
      const { commands, runs } = this.#server;
      const reply = await this.#commands.durable((runId) =>
        extendScript.run(commands, [runs.key, this.#keys.log, this.#keys.urgent], [
          runId,
          firstPartition,
          partitions,
          this.#options.name,
        ])
      );
      this.#known.adopt(extentOf(reply));
    });
  }

  async claim(partition: number, epoch: number): Promise<number> {
    this.#known.of(partition);
    return await this.#commands.again(async () => {
      const reply = await this.#commands.durable((runId) =>
        claimScript.run(this.#server.commands, [this.#server.runs.key, this.#keys.log], [
          runId,
          partition,
          epoch,
        ])
      );
      if (reply[0] === "STALE") {
        throw new StaleWriterError(this.#inWords, partition, epoch, Number(reply[1]));
      }
      return Number(reply[1]);
    });
  }

  async claimedEpoch(partition: number): Promise<number> {
    this.#known.of(partition);
    return await this.#commands.again(async () => {
      await this.#commands.checkedRun();
      const command = ["HGET", this.#keys.log, `epoch:${partition}`];
      return Number(await this.#server.commands.send<string | null>(command) ?? 0);
    });
  }

  async read(
    partition: number,
    fromOffset: number,
    recordsMax: number,
    reader?: LogReader,
  ): Promise<LogRecord[]> {
    const target = this.#known.of(partition);
    return await this.#commands.again(async () => {
      const runId = await this.#commands.checkedRun();
      const tail = reader === "follower"
        ? this.#watcher.read(partition, fromOffset, recordsMax, runId)
        : undefined;
      const records = tail ?? await this.#readPages(target, fromOffset, recordsMax, runId);
      const last = records.at(-1);
      if (reader === "follower" && last) this.#watcher.readTo(partition, last.offset + 1);
      if (last && last.offset >= this.#commands.durableEnd(partition)) {
        // One wait for the disk covers the records of the next reads too.
        const hasMore = records.length === recordsMax;
        const endOffset = hasMore ? await this.#endUnder(runId, partition) : last.offset + 1;
        await this.#server.barrier.passRead(runId);
        this.#commands.durableTo(partition, endOffset);
      }
      return records;
    });
  }

  async endOffset(partition: number): Promise<number> {
    this.#known.of(partition);
    return await this.#commands.again(async () => {
      await this.#commands.checkedRun();
      const [end] = await this.#endsOf([partition]);
      return end;
    });
  }

  knownEnd(partition: number): number | undefined {
    this.#known.of(partition);
    return this.#watcher.knownEnd(partition);
  }

  onAppended(partition: number, listener: () => void, haste?: ListenerHaste): () => void {
    this.#known.of(partition);
    return this.#watcher.add(partition, listener, haste);
  }

  async commitOffset(consumer: string, partition: number, offset: number): Promise<void> {
    this.#known.of(partition);
    await this.#offsets.commit(consumer, partition, offset);
  }

  async committedOffset(consumer: string, partition: number): Promise<number> {
    this.#known.of(partition);
    return await this.#offsets.committed(consumer, partition);
  }

  async trim(partition: number, offset: number): Promise<void> {
    const { stream } = this.#known.of(partition);
    await this.#commands.again(async () => {
      const { runs, commands } = this.#server;
      const [, bytes] = await this.#commands.atomic((runId) =>
        trimScript.run(commands, [runs.key, this.#keys.log, stream], [runId, partition, offset])
      );
      this.#room.held(Number(bytes));
    });
  }

  async roll(partition: number): Promise<void> {
    const { stream } = this.#known.of(partition);
    await this.#commands.again(async () => {
      const { runs, commands } = this.#server;
      await this.#commands.atomic((runId) =>
        rollScript.run(commands, [runs.key, this.#keys.log, stream], [runId, partition])
      );
    });
  }

  usage(): LogUsage {
    return this.#room.usage();
  }

  refusal(): Error | undefined {
    if (this.#commands.lost) return this.#commands.lost;
    const { failure } = this.#server.commands;
    return failure ? this.#commands.unavailable(failure) : this.#room.refusal();
  }

  async close(): Promise<void> {
    this.#watcher.close();
    this.#unsubscribe();
    // Rankings of sealed partitions may move on.
    for (const partitions of [this.#known.sealed, this.#known.open]) {
      await Promise.all(partitions.map(({ appender }) => appender.close()));
    }
  }

  get #server(): RedisServer {
    return this.#options.server;
  }

  get #inWords(): string {
    return `${this.#options.name} at ${this.#options.server.url}`;
  }

  async #open(): Promise<void> {
    const { commands, runs } = this.#server;
    const { name, partitions, keepsPartitions = false } = this.#options;
    const opened = await openScript.run(commands, [this.#keys.log], [partitions, LOG_FORMAT]);
    const format = Number(opened[0]);
    if (format !== LOG_FORMAT) {
      throw new LogFormatError(this.#inWords, format, "set storage.redis.name to another name");
    }
    const extent = extentOf(opened);
    const isSealed = extent.firstPartition > 0;
    if (!keepsPartitions && (isSealed || extent.partitions !== partitions)) {
      throw new LogPartitionsError(this.#inWords, extent.partitions, partitions, isSealed);
    }
    this.#known.adopt(extent);
    await runs.registerLog(name, extent.partitions);
    await this.#commands.checkedRun();
    const ends = await this.#endsOf(Array.from({ length: extent.partitions }, (_, p) => p));
    await this.#offsets.check(ends);
    await this.#room.read();
  }

  async #readPages(
    { pages }: Partition,
    fromOffset: number,
    recordsMax: number,
    runId: string,
  ): Promise<LogRecord[]> {
    const records = await pages.read(fromOffset, recordsMax);
    await this.#requireRun(this.#server.reads, runId);
    return records;
  }

  /** The end of a partition under a run of the server. */
  async #endUnder(runId: string, partition: number): Promise<number> {
    const [end] = await this.#endsOf([partition]);
    await this.#requireRun(this.#server.commands, runId);
    return end;
  }

  /** @throws {RedisUnavailableError} The connection has come to another run. */
  async #requireRun(connection: RedisConnection, runId: string): Promise<void> {
    if (connection.replicationId === replicationIdOf(runId)) return;
    await connection.readReport();
    const cause = new Error("the server was restarted meanwhile");
    throw new RedisUnavailableError(connection.url, false, cause);
  }

  async #endsOf(partitions: readonly number[]): Promise<number[]> {
    const fields = partitions.map((partition) => `next:${partition}`);
    const ends = await this.#server.commands.send<(string | null)[]>(
      ["HMGET", this.#keys.log, ...fields],
    );
    return ends.map((end) => Number(end ?? 0));
  }

  /** Takes the outcome of an append. */
  #appended(error: Error | undefined, claim?: WriterClaim): void {
    // The caller sends the records to another partition.
    if (error instanceof SealedPartitionError) this.#known.adopt(error.extent);
    else this.#room.appended(error, claim);
  }

  /** Has a run take the rankings of a partition that were lost, and those that moved on to it. */
  async #complete(partition: number, runId: string): Promise<void> {
    for (const { appender } of [...this.#known.sealed, this.#known.of(partition)]) {
      await appender.complete(runId);
    }
  }

  #newPartition(partition: number): Partition {
    const {
      server,
      bytesMax,
      budgetMs,
      writtenBudgetMs,
      unconfirmedMsMax,
      awayAfterMs,
      partitionOf,
    } = this.#options;
    const stream = this.#keys.streamOf(partition);
    const appender = new LogAppender({
      server,
      log: this.#inWords,
      partition,
      keys: this.#keys,
      bytesMax,
      budgetMs: budgetMs ?? logBudgets.commandMs,
      writtenBudgetMs: writtenBudgetMs ?? logBudgets.writtenMs,
      unconfirmedMsMax: unconfirmedMsMax ?? logBudgets.unconfirmedMsMax,
      awayAfterMs: awayAfterMs ?? logBudgets.awayAfterMs,
      checkedRun: () => this.#commands.checkedRun(),
      onBytes: (bytes) => this.#room.held(bytes),
      onDurable: (endOffset) => this.#commands.durableTo(partition, endOffset),
      tailLost: (known, found) => this.#commands.tailLost(partition, known, found),
      onRefusal: (error, fence) =>
        this.#appended(error, fence && { partition, epoch: fence.epoch }),
      ...(partitionOf && {
        moveOn: async (record: Uint8Array, attached: AttachedValue | undefined) => {
          const present = partitionOf(record, this.#known.extent);
          if (present === undefined) return;
          const { appender } = this.#known.of(present);
          const replacing = attached && { ...attached, replacesEnd: new Uint8Array() };
          await appender.append([record], "durable", undefined, replacing);
        },
      }),
    });
    return { stream, appender, pages: new LogPages(server, stream) };
  }
}
