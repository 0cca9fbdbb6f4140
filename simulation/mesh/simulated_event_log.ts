/**
 * A log of the simulated Redis as one process reaches it, by the rules of the production client:
 * batches of a writer are numbered and sent again until their time is up; a process that knows of
 * records which the server has lost refuses from then on.
 */
import { KnownPartitions } from "../../mesh/adapters/redis/known_partitions.ts";
import type { RedisEventLogOptions } from "../../mesh/adapters/redis/redis_log_options.ts";
import { type ServerRun, sharedEnds } from "../../mesh/adapters/redis/server_past.ts";
import { logBudgets } from "../../mesh/adapters/redis/log_budgets.ts";
import {
  type AppendFence,
  type AppendUntil,
  type EventLog,
  isRefusal,
  LateAppendError,
  type ListenerHaste,
  type LogExtent,
  LogFullError,
  type LogMark,
  type LogReader,
  type LogRecord,
  LogTailLostError,
  LogUnavailableError,
  type LogUsage,
  type MarkedPartition,
  type OnceOutcome,
  type OnceRecord,
  SealedPartitionError,
} from "../../mesh/ports/event_log.ts";
import { Listeners } from "../../mesh/runtime/listeners.ts";
import { LogAppends } from "./log_appends.ts";
import type { AttachedChange, LogState } from "./log_state.ts";
import { RedisAwayError, type RedisLink } from "./redis_link.ts";

export interface SimulatedEventLogOptions {
  readonly link: RedisLink;
  /** For example `events`. */
  readonly name: string;
  readonly partitions: number;
  readonly bytesMax: number;
  /** Name under which the appends of this process are numbered. */
  readonly writer: string;
  /** As of the log on Redis; absent: a record counts in its own partition alone. */
  readonly partitionOf?: RedisEventLogOptions["partitionOf"];
}

interface Partition {
  readonly appends: LogAppends;
  readonly listeners: Listeners<[]>;
  /** Functions that remove the listeners which are to be told soon. */
  readonly soon: Set<() => void>;
  /** Followers were told of the records before this offset; undefined where they read all. */
  toldTo: number | undefined;
  /** Records before this offset are known to be durable. */
  durable: number;
}

export class SimulatedEventLog implements EventLog {
  readonly appendMaxMs: number;
  readonly #options: SimulatedEventLogOptions;
  readonly #state: LogState;
  readonly #known = new KnownPartitions((partition) => this.#newPartition(partition));
  readonly #removals: (() => void)[] = [];
  #run: ServerRun;
  #lost: LogTailLostError | undefined;
  #refusal: Error | undefined;
  #onceSent = 0;

  private constructor(options: SimulatedEventLogOptions) {
    const { link, name, partitions } = options;
    this.#options = options;
    this.appendMaxMs = logBudgets.commandMs + link.deadlineMs;
    this.#state = link.server.log(name, partitions);
    this.#run = link.server.run;
    const { firstPartition, partitions: present } = this.#state;
    this.#known.adopt({ firstPartition, partitions: present });
  }

  get partitions(): number {
    return this.#known.extent.partitions;
  }

  get firstPartition(): number {
    return this.#known.extent.firstPartition;
  }

  /**
   * @throws {LogTailLostError} A consumer has handled records that the log does not have.
   * @throws {LogUnavailableError} The server does not answer.
   */
  static async open(options: SimulatedEventLogOptions): Promise<SimulatedEventLog> {
    const log = new SimulatedEventLog(options);
    await log.#again(() => {
      for (let partition = 0; partition < log.partitions; partition++) {
        const end = log.#state.endOffset(partition);
        const known = Math.max(0, ...log.#state.allCommitted(partition));
        if (known > end) log.#tailLost(partition, known, end);
      }
    });
    return log;
  }

  append(
    partition: number,
    records: readonly Uint8Array[],
    until: AppendUntil = "durable",
    fence?: AppendFence,
  ): Promise<number> {
    return this.#append(
      partition,
      (appends) => appends.append(records.map((record) => record.slice()), until, fence),
    );
  }

  /** Appends a record as `written`, and changes the server in the same step. */
  appendWith(partition: number, record: Uint8Array, attached: AttachedChange): Promise<number> {
    return this.#append(
      partition,
      (appends) => appends.append([record.slice()], "written", undefined, attached),
    );
  }

  #append(partition: number, begin: (to: LogAppends) => Promise<number>): Promise<number> {
    const { appends } = this.#known.of(partition);
    const refused = this.#reasonToRefuse();
    if (refused !== undefined) return Promise.reject(this.#refusal = refused);
    return begin(appends);
  }

  /** @param check Comes in the step of the append, and throws where the append must wait. */
  async appendOnce(
    partition: number,
    records: readonly OnceRecord[],
    check: () => void = () => {},
  ): Promise<OnceOutcome[]> {
    this.#known.of(partition);
    const refused = this.#reasonToRefuse();
    if (refused !== undefined) throw this.#refusal = refused;
    const { writer, bytesMax } = this.#options;
    const sent = records.map((record) => ({
      ...record,
      bytes: record.bytes.slice(),
      token: `${writer}:${this.#onceSent++}`,
    }));
    const [outcome, end] = await this.#again(
      () => {
        check();
        return [
          this.#state.appendOnce(partition, sent, bytesMax),
          this.#state.endOffset(partition),
        ];
      },
      true,
      () => this.#complete(partition),
    );
    if (outcome instanceof Error) throw this.#refused(outcome);
    this.#refusal = undefined;
    this.#knows(partition, end);
    return outcome.map(({ content, acceptedAtMs, token }, i) =>
      token === sent[i].token
        ? { kind: "appended", acceptedAtMs }
        : { kind: "earlier", isSame: content === records[i].content, acceptedAtMs }
    );
  }

  async mark(partitions: readonly MarkedPartition[], mark: LogMark): Promise<number[]> {
    const refused = this.#reasonToRefuse();
    if (refused !== undefined) throw this.#refusal = refused;
    const [outcome, ends] = await this.#again(() => [
      this.#state.mark(partitions, mark, this.#options.bytesMax),
      partitions.map(({ partition }) => this.#state.endOffset(partition)),
    ], true);
    if (outcome instanceof Error) throw this.#refused(outcome);
    partitions.forEach(({ partition }, i) => this.#knows(partition, ends[i]));
    return [...outcome];
  }

  /**
   * Notes why the log has refused an append, unless it takes those of others; of a seal, the
   * partitions that are open.
   */
  #refused(error: Error): Error {
    if (error instanceof SealedPartitionError) this.#known.adopt(error.extent);
    else if (isRefusal(error)) this.#refusal = error;
    return error;
  }

  async extend(extent: LogExtent): Promise<void> {
    this.#known.adopt(await this.#again(() => this.#state.extend(extent), true));
  }

  async claim(partition: number, epoch: number): Promise<number> {
    const end = await this.#again(() => this.#state.claim(partition, epoch), true);
    this.#knows(partition, end);
    return end;
  }

  async claimedEpoch(partition: number): Promise<number> {
    return await this.#again(() => this.#state.claimedEpoch(partition));
  }

  async read(
    partition: number,
    fromOffset: number,
    recordsMax: number,
    reader?: LogReader,
  ): Promise<LogRecord[]> {
    const target = this.#known.of(partition);
    const read = await this.#again(() => this.#state.read(partition, fromOffset, recordsMax));
    const { toldTo = Infinity } = target;
    const records = reader === "follower" && fromOffset <= toldTo
      ? read.filter(({ offset }) => offset < toldTo)
      : read;
    const last = records.at(-1);
    if (last !== undefined) this.#knows(partition, last.offset + 1);
    return records;
  }

  async endOffset(partition: number): Promise<number> {
    this.#known.of(partition);
    return await this.#again(() => this.#state.endOffset(partition));
  }

  knownEnd(partition: number): number | undefined {
    this.#known.of(partition);
    return this.#options.link.failure ? undefined : this.#state.endOffset(partition);
  }

  onAppended(partition: number, listener: () => void, haste?: ListenerHaste): () => void {
    const { listeners, soon } = this.#known.of(partition);
    const remove = listeners.add(listener);
    if (haste === "soon") soon.add(remove);
    return () => {
      remove();
      soon.delete(remove);
    };
  }

  async commitOffset(consumer: string, partition: number, offset: number): Promise<void> {
    this.#known.of(partition);
    await this.#again(() => this.#state.commit(consumer, partition, offset), true);
  }

  async committedOffset(consumer: string, partition: number): Promise<number> {
    this.#known.of(partition);
    return await this.#again(() => this.#state.committed(consumer, partition));
  }

  async trim(partition: number, offset: number): Promise<void> {
    this.#known.of(partition);
    await this.#again(() => this.#state.trim(partition, offset));
    if (this.#refusal instanceof LogFullError) this.#refusal = undefined;
  }

  usage(): LogUsage {
    return { bytes: this.#state.bytes, bytesMax: this.#options.bytesMax };
  }

  refusal(): Error | undefined {
    if (this.#lost !== undefined) return this.#lost;
    const { failure } = this.#options.link;
    if (failure !== undefined) return this.#unavailable(failure);
    if (this.#refusal instanceof LogUnavailableError) this.#refusal = undefined;
    return this.#refusal;
  }

  async close(): Promise<void> {
    // Rankings of the sealed ones may move on.
    for (const partitions of [this.#known.sealed, this.#known.open]) {
      await Promise.all(partitions.map(({ appends }) => appends.close()));
    }
    for (const remove of this.#removals) remove();
  }

  #newPartition(partition: number): Partition {
    const { link, writer, bytesMax } = this.#options;
    this.#removals.push(this.#state.onAppended(partition, (isUrgent) => {
      if (!link.isReachable) return;
      appends.complete().catch(() => {});
      const { soon } = this.#known.of(partition);
      const lazyMs = soon.size > 0 ? logBudgets.soonMs : logBudgets.lazyMs;
      const waitMs = isUrgent ? 0 : lazyMs;
      link.clock.schedule(waitMs + link.nextLatencyMs(), () => {
        this.#tell(partition, this.#state.endOffset(partition));
      });
    }));
    link.onBack(() => {
      appends.complete().catch(() => {});
      this.#tell(partition, undefined);
    });
    const appends = new LogAppends({
      clock: link.clock,
      send: (sequence, batch) =>
        this.#command(() => {
          const append = () => this.#state.append(partition, writer, sequence, batch, bytesMax);
          return batch.some(({ isUrgent }) => isUrgent) ? this.#confirmed(append) : append();
        }, true),
      confirm: () => this.#command(() => this.#confirmed(() => {}), true),
      moveOn: async ({ records, attached }) => {
        const replacing = attached && (() => attached(true));
        for (const record of records) {
          const present = this.#options.partitionOf?.(record, this.#known.extent);
          if (present === undefined) continue;
          await this.#append(
            present,
            (appends) => appends.append([record], "durable", undefined, replacing),
          );
        }
      },
      run: () => link.server.run.id,
      onDurable: (end) => this.#knows(partition, end),
      tailLost: (known, found) => this.#tailLost(partition, known, found),
      onRefusal: (refusal) => {
        if (refusal === undefined) this.#refusal = undefined;
        else this.#refused(refusal);
      },
      unavailable: (cause) => this.#unavailable(cause),
      late: (cause, outcome) => new LateAppendError(this.#inWords, cause, outcome),
    });
    const listeners = new Listeners<[]>();
    return { appends, listeners, soon: new Set(), toldTo: undefined, durable: 0 };
  }

  /** Tells the followers of a partition that they may read, up to an offset or everything. */
  #tell(partition: number, endOffset: number | undefined): void {
    this.#known.of(partition).toldTo = endOffset;
    this.#known.of(partition).listeners.tell();
  }

  #reasonToRefuse(): Error | undefined {
    if (this.#lost !== undefined) return this.#lost;
    const { failure, downMs } = this.#options.link;
    return failure !== undefined && downMs > logBudgets.awayAfterMs
      ? this.#unavailable(failure)
      : undefined;
  }

  /** Has the present run take the rankings of a partition that were lost, as the client does. */
  async #complete(partition: number): Promise<void> {
    const { sealed } = this.#known;
    for (const { appends } of [...sealed, this.#known.of(partition)]) await appends.complete();
  }

  /**
   * Makes a command again until it is answered or its time is up.
   *
   * @param first Comes before each attempt.
   */
  async #again<R>(
    command: () => R,
    isDurable = false,
    first: () => Promise<void> = () => Promise.resolve(),
  ): Promise<R> {
    const { clock } = this.#options.link;
    const untilMs = clock.monotonicMs() + logBudgets.commandMs;
    for (;;) {
      try {
        await first();
        return await this.#command(() => this.#confirmed(command), isDurable);
      } catch (error) {
        if (!(error instanceof RedisAwayError)) throw error;
        if (clock.monotonicMs() + logBudgets.retryMs > untilMs) throw this.#unavailable(error);
        await new Promise<void>((resolve) => void clock.schedule(logBudgets.retryMs, resolve));
      }
    }
  }

  /** Makes a command that is answered when the replicas have what it has found or written. */
  #confirmed<R>(command: () => R): R {
    const result = command();
    this.#options.link.server.confirm();
    return result;
  }

  /**
   * @throws {RedisAwayError} No answer came.
   * @throws {LogTailLostError} The server has lost records that this process knows of.
   */
  async #command<R>(command: () => R, isDurable: boolean): Promise<R> {
    if (this.#lost !== undefined) throw this.#lost;
    return await this.#options.link.send(() => {
      this.#checkRuns();
      return command();
    }, { isDurable });
  }

  #checkRuns(): void {
    const { link, name } = this.#options;
    const { run } = link.server;
    if (run.id === this.#run.id) return;
    const known = this.#known.all;
    const ends = sharedEnds(this.#run, run, known.map((_, partition) => `${name}/${partition}`));
    known.forEach(({ durable }, partition) => {
      if (ends[partition] < durable) this.#tailLost(partition, durable, ends[partition]);
    });
    this.#run = run;
  }

  #tailLost(partition: number, known: number, end: number): never {
    throw this.#lost = new LogTailLostError(this.#inWords, partition, known, end);
  }

  #knows(partition: number, end: number): void {
    const target = this.#known.of(partition);
    target.durable = Math.max(target.durable, end);
  }

  #unavailable(cause: Error): LogUnavailableError {
    const remedy = "The records may have been written. Appends go on as soon as Redis answers.";
    return new LogUnavailableError(this.#inWords, remedy, cause, true);
  }

  get #inWords(): string {
    return `${this.#options.name} at the simulated Redis`;
  }
}
