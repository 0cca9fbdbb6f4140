/**
 * The event log of a single machine: partitions as directories of segment files, written by one
 * thread, read by any.
 *
 * Segment files rather than SQLite: a commit of SQLite blocks its thread while the disk syncs, and
 * the thread that appends also answers rank requests. Here a sync runs outside the event loop.
 */
import { invariant } from "../../../structures/invariant.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import {
  type AppendFence,
  type AppendUntil,
  checkFence,
  type EventLog,
  LogFullError,
  type LogRecord,
  type LogUsage,
  partitionOf,
  StaleWriterError,
} from "../../ports/event_log.ts";
import type { Files } from "../../ports/files.ts";
import { DenoClock } from "../deno/deno_clock.ts";
import { denoFiles } from "../deno/deno_files.ts";
import { CommittedOffsets } from "./committed_offsets.ts";
import { syncDirectory } from "./durable_directory.ts";
import { createLogEnds, type LogEnds, SharedLogEnds } from "./log_ends.ts";
import { openLogHeader } from "./log_header.ts";
import {
  bytesOf,
  closeLogPartition,
  FLOOR_NAME,
  type LogPartition,
  openLogPartition,
  removeTornTails,
} from "./log_partition.ts";
import { blockBytes } from "./segment_block.ts";
import { listSegments } from "./segment_files.ts";
import type { TornTail } from "./segment_recovery.ts";

export interface EmbeddedEventLogOptions {
  readonly directory: string;
  /** Fixed when the log is made. */
  readonly partitions: number;
  /**
   * `write` in one thread of one process, `read` in its other threads, which see durable records.
   */
  readonly mode: "write" | "read";
  /** Shared by all threads that open this log. May be left out where there is one thread. */
  readonly ends?: LogEnds;
  /** Bytes on disk before appends fail. Default 64 GiB. */
  readonly bytesMax?: number;
  /**
   * Space is freed by whole segments. Default 64 MiB, or an eighth of a partition's share of
   * `bytesMax` where that is less.
   */
  readonly segmentBytesMax?: number;
  /**
   * Default `disk`: appends survive a power failure. `process`: they survive the end of the
   * process.
   */
  readonly durability?: "disk" | "process";
  /** Called for each partition whose torn tail was truncated at the opening. */
  readonly onTornTail?: (tail: TornTail) => void;
  /** Default: the machine's. */
  readonly files?: Files;
  /** Default: real time. */
  readonly clock?: Clock;
}

/** The durable end is stored in the same way. */
const END_NAME = "(durable)";
/** Folder of the epochs, and the name under which a partition's epoch is stored there. */
const [EPOCHS, WRITER_NAME] = ["epochs", "writer"];
/** Time between two writes of the durable end, ms. */
const END_INTERVAL_MS = 1_000;

export class EmbeddedEventLog implements EventLog {
  readonly partitions: number;
  readonly firstPartition = 0;
  readonly #options: EmbeddedEventLogOptions;
  readonly #bytesMax: number;
  readonly #partitions: LogPartition[] = [];
  readonly #offsets: CommittedOffsets;
  /** Epochs of the writers that claimed partitions; undefined before the first claim. */
  #epochs: CommittedOffsets | undefined;
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #ends: LogEnds;
  readonly #unfollow: readonly (() => void)[];
  #endTimer: Timer | undefined;
  #full: LogFullError | undefined;
  #closed = false;

  private constructor(options: EmbeddedEventLogOptions) {
    if (options.mode === "read" && !options.ends) {
      throw new TypeError("A log that is opened for reading needs `ends`, shared with its writer");
    }
    this.#options = options;
    this.partitions = options.partitions;
    this.#bytesMax = options.bytesMax ?? 64 * 2 ** 30;
    this.#files = options.files ?? denoFiles;
    this.#clock = options.clock ?? new DenoClock();
    this.#offsets = new CommittedOffsets(`${options.directory}/offsets`, this.#files);
    if ([...this.#files.readDirSync(options.directory)].some(({ name }) => name === EPOCHS)) {
      this.#epochs = new CommittedOffsets(`${options.directory}/${EPOCHS}`, this.#files);
    }
    this.#ends = options.ends ?? new SharedLogEnds(createLogEnds(options.partitions));
    this.#openPartitions();
    if (options.mode === "write") {
      // A process before this one may have made a partition's folder and died before the sync.
      syncDirectory(options.directory, this.#files);
      this.#partitions.forEach(({ endOffset }, partition) =>
        this.#ends.store(partition, endOffset)
      );
    }
    this.#unfollow = options.mode === "write"
      ? []
      : this.#partitions.map((_, partition) => this.#follow(partition));
    // After a kill the stored ends may be a second old, and without appends would stay so.
    const isEndNew = ({ endOffset }: LogPartition, partition: number) =>
      endOffset > this.#offsets.get(END_NAME, partition);
    if (options.mode === "write" && this.#partitions.some(isEndNew)) this.#storeEndLater();
  }

  /**
   * Opens the log, or makes it. A torn block that a crash left is truncated, see
   * {@link EmbeddedEventLogOptions.onTornTail}.
   *
   * @throws {PartitionCountError} It was made with another number of partitions.
   * @throws {LogCorruptError} Durable records are damaged or missing.
   * @throws {DamagedFileError} A small file of the log is damaged.
   */
  static async open(options: EmbeddedEventLogOptions): Promise<EmbeddedEventLog> {
    await openLogHeader(options);
    return new EmbeddedEventLog(options);
  }

  append(
    partition: number,
    records: readonly Uint8Array[],
    until: AppendUntil = "durable",
    fence?: AppendFence,
  ): Promise<number> {
    const target = this.#partition(partition);
    if (!target.writer) return Promise.reject(this.#readOnlyError());
    if (fence !== undefined || this.#epochs !== undefined) {
      const refused = checkFence({
        log: this.#options.directory,
        partition,
        epoch: this.#epochs?.get(WRITER_NAME, partition) ?? 0,
        endOffset: target.writer.nextOffset,
      }, fence);
      if (refused !== undefined) return Promise.reject(refused);
    }
    const { bytes } = this.usage();
    if (bytes + blockBytes(records) > this.#bytesMax) {
      this.#full = LogFullError.atLimit(this.#options.directory, bytes, this.#bytesMax);
      return Promise.reject(this.#full);
    }
    this.#full = undefined;
    return target.writer.append(records, until);
  }

  async claim(partition: number, epoch: number): Promise<number> {
    const { writer } = this.#partition(partition);
    if (!writer) throw this.#readOnlyError();
    this.#epochs ??= new CommittedOffsets(`${this.#options.directory}/${EPOCHS}`, this.#files);
    const present = this.#epochs.get(WRITER_NAME, partition);
    if (epoch < present) {
      throw new StaleWriterError(this.#options.directory, partition, epoch, present);
    }
    await this.#epochs.set(WRITER_NAME, partition, epoch);
    return writer.nextOffset;
  }

  claimedEpoch(partition: number): Promise<number> {
    this.#partition(partition);
    return Promise.resolve(this.#epochs?.get(WRITER_NAME, partition) ?? 0);
  }

  read(partition: number, fromOffset: number, recordsMax: number): Promise<LogRecord[]> {
    const { reader, floor, endOffset } = this.#partition(partition);
    try {
      return Promise.resolve(reader.read(Math.max(fromOffset, floor), recordsMax, endOffset));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  endOffset(partition: number): Promise<number> {
    return Promise.resolve(this.knownEnd(partition));
  }

  knownEnd(partition: number): number {
    return this.#partition(partition).endOffset;
  }

  onAppended(partition: number, listener: () => void): () => void {
    return this.#partition(partition).listeners.add(listener);
  }

  commitOffset(consumer: string, partition: number, offset: number): Promise<void> {
    this.#partition(partition);
    return this.#offsets.set(consumer, partition, offset);
  }

  committedOffset(consumer: string, partition: number): Promise<number> {
    this.#partition(partition);
    return Promise.resolve(this.#offsets.get(consumer, partition));
  }

  /**
   * Removes whole segments, and the truncated tails before them; a segment that also holds newer
   * records stays until these are trimmed. The partition's beginning moves before segments
   * are removed. The floor is written after that, because a full disk may have no room for it.
   */
  async trim(partition: number, offset: number): Promise<void> {
    const target = this.#partition(partition);
    if (target.begin === undefined) throw this.#readOnlyError();
    const floor = Math.min(offset, target.endOffset);
    if (floor <= target.floor) return;
    const segments = listSegments(target.directory, this.#files);
    const kept = Math.max(0, segments.findLastIndex(({ firstOffset }) => firstOffset <= floor));
    if (kept > 0) await target.begin.moveTo(segments[kept].firstOffset);
    target.floor = Math.max(floor, target.floor);
    // Before the segments: as long as one is left, receipts say that the log holds old records.
    if (segments.length > 0) {
      await removeTornTails(target.directory, segments[kept].firstOffset, this.#files);
    }
    for (const segment of segments.slice(0, kept)) {
      const bytes = bytesOf([segment], this.#files);
      await this.#files.remove(segment.path);
      target.bytesBefore -= bytes;
      invariant(
        target.bytesBefore + (target.writer?.bytes ?? 0) >= 0,
        "a partition holds at least the bytes that a trim removes",
      );
      this.#full = undefined;
    }
    await this.#offsets.set(FLOOR_NAME, partition, floor);
  }

  roll(partition: number): Promise<void> {
    try {
      this.#partition(partition).writer?.roll();
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  storedFrom(partition: number): Promise<number> {
    const { directory, endOffset } = this.#partition(partition);
    const [oldest] = listSegments(directory, this.#files);
    return Promise.resolve(oldest?.firstOffset ?? endOffset);
  }

  usage(): LogUsage {
    let bytes = 0;
    for (const { bytesBefore, writer } of this.#partitions) {
      bytes += bytesBefore + (writer?.bytes ?? 0);
    }
    return { bytes, bytesMax: this.#bytesMax };
  }

  refusal(): Error | undefined {
    for (const { writer } of this.#partitions) {
      const failure = writer?.failure();
      if (failure !== undefined) return failure;
    }
    return this.#full;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const each of this.#partitions) await closeLogPartition(each);
    const storesEnds = this.#endTimer !== undefined;
    this.#endTimer?.cancel();
    if (storesEnds) await this.#storeEnds().catch(() => {});
    await this.#offsets.settle();
    for (const unfollow of this.#unfollow) unfollow();
  }

  #readOnlyError(): Error {
    return new Error(`The log in ${this.#options.directory} is open for reading in this thread.`);
  }

  /** When a partition cannot be opened, the files of those before are closed again. */
  #openPartitions(): void {
    try {
      while (this.#partitions.length < this.#options.partitions) {
        this.#partitions.push(this.#openPartition(this.#partitions.length));
      }
    } catch (error) {
      for (const each of this.#partitions) void closeLogPartition(each);
      throw error;
    }
  }

  #openPartition(partition: number): LogPartition {
    return openLogPartition(partition, this.#options, {
      bytesMax: this.#bytesMax,
      files: this.#files,
      clock: this.#clock,
      offsets: this.#offsets,
      ends: this.#ends,
      onDurable: (endOffset) => this.#onDurable(partition, endOffset),
    });
  }

  #onDurable(partition: number, endOffset: number): void {
    invariant(
      endOffset >= this.#partitions[partition].endOffset,
      "the durable end of a partition never goes back",
    );
    this.#partitions[partition].endOffset = endOffset;
    this.#partitions[partition].syncedEnd?.store(endOffset);
    this.#ends.store(partition, endOffset);
    this.#partitions[partition].listeners.tell();
    this.#storeEndLater();
  }

  /** Stores the durable ends at most once per {@link END_INTERVAL_MS}. */
  #storeEndLater(): void {
    if (this.#options.durability === "process" || this.#endTimer !== undefined) return;
    const store = () => void this.#storeEnds().catch(() => {});
    this.#endTimer = this.#clock.schedule(END_INTERVAL_MS, store);
  }

  /**
   * Stores how far each partition is durable, synced: after a power failure it tells damage to the
   * last records from a torn tail. A failure changes nothing: the log is whole without.
   */
  async #storeEnds(): Promise<void> {
    this.#endTimer?.cancel();
    this.#endTimer = undefined;
    const ends = this.#partitions.map(({ endOffset }) => endOffset);
    await Promise.all(ends.map((end, partition) => this.#offsets.set(END_NAME, partition, end)));
  }

  #follow(partition: number): () => void {
    return this.#ends.follow(partition, (end) => {
      if (this.#closed || end <= this.#partitions[partition].endOffset) return;
      this.#partitions[partition].endOffset = end;
      this.#partitions[partition].listeners.tell();
    });
  }

  #partition(partition: number): LogPartition {
    return partitionOf(this.#partitions, partition);
  }
}
