/**
 * The event log of a single machine: partitions as directories of segment files, written by one thread, read by any.
 *
 * Segment files rather than SQLite: a commit of SQLite blocks its thread while the disk syncs, and the thread that
 * appends is the one that answers rank requests. Here a sync runs beside the event loop.
 */
import {
  type AppendUntil,
  type EventLog,
  LogFullError,
  type LogRecord,
  type LogUsage,
  partitionOf,
} from "../../ports/event_log.ts";
import { Listeners } from "../../runtime/listeners.ts";
import { CommittedOffsets } from "./committed_offsets.ts";
import { blockBytes } from "./segment_block.ts";
import { listSegments, type SegmentFile } from "./segment_files.ts";
import { SegmentReader } from "./segment_reader.ts";
import { SegmentWriter } from "./segment_writer.ts";
import { readFileIfAny, replaceFile } from "./small_file.ts";

export interface EmbeddedEventLogOptions {
  readonly directory: string;
  /** Fixed when the log is made. */
  readonly partitions: number;
  /** `write` in one thread of one process; `read` in its other threads: they follow what the writer makes durable. */
  readonly mode: "write" | "read";
  /** Shared by all threads that open this log, see {@link createLogEnds}; may be left out where there is one. */
  readonly ends?: SharedArrayBuffer;
  /** Bytes on disk before appends fail. Default 64 GiB. */
  readonly bytesMax?: number;
  /** Default 64 MiB, or an eighth of a partition's share of `bytesMax` where that is less: space comes back by segments. */
  readonly segmentBytesMax?: number;
  /** Default `disk`: appends survive a power failure. `process`: they survive the end of the process. */
  readonly durability?: "disk" | "process";
}

interface Partition {
  readonly directory: string;
  readonly reader: SegmentReader;
  readonly writer: SegmentWriter | undefined;
  readonly listeners: Listeners<[]>;
  endOffset: number;
  /** Records before this are forgotten. */
  floor: number;
  /** In segments that were there at open and were not removed since, less what was removed of later ones. */
  bytesBefore: number;
}

const segmentBytesUsual = 64 * 2 ** 20;

/** A log keeps the number of partitions that it was made with. */
export class PartitionCountError extends Error {
  override readonly name = "PartitionCountError";
  constructor(readonly directory: string, readonly found: number, readonly asked: number) {
    super(
      `The log in ${directory} has ${found} partitions, not ${asked}; open it with ${found}, or begin with an empty directory.`,
    );
  }
}

/** Memory through which the writing thread tells readers how far each partition is durable. */
export function createLogEnds(partitions: number): SharedArrayBuffer {
  return new SharedArrayBuffer(partitions * BigInt64Array.BYTES_PER_ELEMENT);
}

/** The trim floor is kept where consumers' offsets are, under a name that no consumer can have. */
const floorName = "(trimmed)";

export class EmbeddedEventLog implements EventLog {
  readonly partitions: number;
  readonly #options: EmbeddedEventLogOptions;
  readonly #bytesMax: number;
  readonly #partitions: Partition[];
  readonly #offsets: CommittedOffsets;
  readonly #ends: BigInt64Array;
  #full: LogFullError | undefined;
  #closed = false;

  private constructor(options: EmbeddedEventLogOptions) {
    if (options.mode === "read" && !options.ends) {
      throw new TypeError("A log that is opened for reading needs `ends`, shared with its writer");
    }
    this.#options = options;
    this.partitions = options.partitions;
    this.#bytesMax = options.bytesMax ?? 64 * 2 ** 30;
    this.#offsets = new CommittedOffsets(`${options.directory}/offsets`);
    this.#ends = new BigInt64Array(options.ends ?? createLogEnds(options.partitions));
    this.#partitions = Array.from(
      { length: options.partitions },
      (_, partition) => this.#openPartition(partition),
    );
    for (let partition = 0; partition < this.partitions; partition++) {
      if (options.mode === "read") this.#follow(partition);
      else this.#announce(partition);
    }
  }

  /**
   * Opens the log, or makes it; drops a torn block that a crash left behind.
   *
   * @throws {PartitionCountError} It was made with another number of partitions: records would change their place.
   */
  static async open(options: EmbeddedEventLogOptions): Promise<EmbeddedEventLog> {
    Deno.mkdirSync(options.directory, { recursive: true });
    const path = `${options.directory}/log.json`;
    const bytes = readFileIfAny(path);
    if (!bytes) {
      if (options.mode === "read") {
        throw new Error(
          `There is no log in ${options.directory}: open it for writing before readers open it.`,
        );
      }
      const text = JSON.stringify({ format: 1, partitions: options.partitions });
      await replaceFile(path, new TextEncoder().encode(text));
    } else {
      const { format, partitions } = JSON.parse(new TextDecoder().decode(bytes));
      if (format !== 1) {
        throw new Error(
          `The log in ${options.directory} has format ${format}; this build reads 1.`,
        );
      }
      if (partitions !== options.partitions) {
        throw new PartitionCountError(options.directory, partitions, options.partitions);
      }
    }
    return new EmbeddedEventLog(options);
  }

  append(
    partition: number,
    records: readonly Uint8Array[],
    until: AppendUntil = "durable",
  ): Promise<number> {
    const target = this.#partition(partition);
    if (!target.writer) {
      return Promise.reject(
        new Error(`The log in ${this.#options.directory} is open for reading in this thread.`),
      );
    }
    const { bytes } = this.usage();
    if (bytes + blockBytes(records) > this.#bytesMax) {
      this.#full = new LogFullError(this.#options.directory, bytes, this.#bytesMax);
      return Promise.reject(this.#full);
    }
    this.#full = undefined;
    return target.writer.append(records, until);
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
    return Promise.resolve(this.#partition(partition).endOffset);
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
   * Whole segments go; a segment that holds newer records too stays until they are trimmed. They go before the floor
   * is written, since a full disk may have no room for that.
   */
  async trim(partition: number, offset: number): Promise<void> {
    const target = this.#partition(partition);
    const floor = Math.min(offset, target.endOffset);
    if (floor <= target.floor) return;
    target.floor = floor;
    const segments = listSegments(target.directory);
    for (let i = 0; i + 1 < segments.length && segments[i + 1].firstOffset <= floor; i++) {
      const bytes = bytesOf([segments[i]]);
      await Deno.remove(segments[i].path);
      target.bytesBefore -= bytes;
      this.#full = undefined;
    }
    await this.#offsets.set(floorName, partition, floor);
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
    await this.#offsets.settle();
    for (const { reader, writer, listeners } of this.#partitions) {
      listeners.clear();
      await writer?.close();
      reader.close();
    }
    if (this.#options.mode === "read") { // wakes this log's own waits
      for (let partition = 0; partition < this.partitions; partition++) {
        Atomics.notify(this.#ends, partition);
      }
    }
  }

  #openPartition(partition: number): Partition {
    const { directory: root, mode, segmentBytesMax, durability } = this.#options;
    const directory = `${root}/${partition}`;
    Deno.mkdirSync(directory, { recursive: true });
    const writer = mode === "read" ? undefined : new SegmentWriter({
      directory,
      segmentBytesMax: segmentBytesMax ??
        Math.min(segmentBytesUsual, this.#bytesMax / (8 * this.partitions)),
      durability: durability ?? "disk",
      onDurable: (endOffset) => this.#onDurable(partition, endOffset),
    });
    const reader = new SegmentReader(directory);
    return {
      directory,
      reader,
      writer,
      listeners: new Listeners(),
      endOffset: writer ? writer.durableOffset : Number(Atomics.load(this.#ends, partition)),
      floor: this.#offsets.get(floorName, partition),
      bytesBefore: bytesOf(listSegments(directory)),
    };
  }

  #onDurable(partition: number, endOffset: number): void {
    this.#partitions[partition].endOffset = endOffset;
    this.#announce(partition);
    this.#partitions[partition].listeners.tell();
  }

  #announce(partition: number): void {
    Atomics.store(this.#ends, partition, BigInt(this.#partitions[partition].endOffset));
    Atomics.notify(this.#ends, partition);
  }

  /** Learns of each new end without a timer, until the log is closed. */
  async #follow(partition: number): Promise<void> {
    while (!this.#closed) {
      const end = Atomics.load(this.#ends, partition);
      if (Number(end) > this.#partitions[partition].endOffset) {
        this.#partitions[partition].endOffset = Number(end);
        this.#partitions[partition].listeners.tell();
        continue;
      }
      const wait = Atomics.waitAsync(this.#ends, partition, end);
      if (wait.async) await wait.value;
    }
  }

  #partition(partition: number): Partition {
    return partitionOf(this.#partitions, partition);
  }
}

function bytesOf(segments: readonly SegmentFile[]): number {
  return segments.reduce((sum, { path }) => sum + Deno.statSync(path).size, 0);
}
