/**
 * A log in memory with the guarantees of a durable one, for `storage: memory`, tests and the
 * simulation.
 */
import {
  type AppendFence,
  type AppendUntil,
  checkFence,
  type EventLog,
  type LogExtent,
  LogFullError,
  type LogRecord,
  type LogUsage,
  partitionOf,
  SealedPartitionError,
  StaleWriterError,
} from "../../ports/event_log.ts";
import { Listeners } from "../../runtime/listeners.ts";

export interface MemoryEventLogOptions {
  readonly name?: string;
  readonly partitions: number;
  /** Bytes of records before appends fail. Default: no limit. */
  readonly bytesMax?: number;
}

interface Partition {
  /** Offset of `records[0]`. */
  firstOffset: number;
  records: Uint8Array[];
  /** Epoch of the writer that claimed the partition; 0 before. */
  epoch: number;
  readonly listeners: Listeners<[]>;
  notifying: boolean;
}

export class MemoryEventLog implements EventLog {
  readonly #name: string;
  readonly #bytesMax: number;
  readonly #partitions: Partition[];
  partitions: number;
  firstPartition = 0;
  readonly #committed = new Map<string, number>();
  #bytes = 0;
  #refusal: LogFullError | undefined;

  constructor(options: MemoryEventLogOptions) {
    this.partitions = options.partitions;
    this.#name = options.name ?? "memory";
    this.#bytesMax = options.bytesMax ?? Infinity;
    this.#partitions = Array.from({ length: options.partitions }, emptyPartition);
  }

  extend({ firstPartition, partitions }: LogExtent): Promise<void> {
    while (this.#partitions.length < partitions) this.#partitions.push(emptyPartition());
    this.partitions = this.#partitions.length;
    this.firstPartition = Math.max(this.firstPartition, firstPartition);
    return Promise.resolve();
  }

  /** Records in memory count as durable at once. */
  append(
    partition: number,
    records: readonly Uint8Array[],
    _until?: AppendUntil,
    fence?: AppendFence,
  ): Promise<number> {
    const target = this.#partition(partition);
    if (partition < this.firstPartition) {
      return Promise.reject(new SealedPartitionError(this.#name, partition, this));
    }
    const first = target.firstOffset + target.records.length;
    const at = { log: `the log "${this.#name}"`, partition, epoch: target.epoch, endOffset: first };
    const stale = checkFence(at, fence);
    if (stale) return Promise.reject(stale);
    const bytes = records.reduce((sum, record) => sum + record.byteLength, 0);
    if (this.#bytes + bytes > this.#bytesMax) {
      this.#refusal = LogFullError.atLimit(this.#name, this.#bytes, this.#bytesMax);
      return Promise.reject(this.#refusal);
    }
    this.#refusal = undefined;
    for (const record of records) target.records.push(record.slice());
    this.#bytes += bytes;
    if (records.length > 0) this.#notify(target);
    return Promise.resolve(first);
  }

  claim(partition: number, epoch: number): Promise<number> {
    const target = this.#partition(partition);
    if (epoch < target.epoch) {
      const log = `the log "${this.#name}"`;
      return Promise.reject(new StaleWriterError(log, partition, epoch, target.epoch));
    }
    target.epoch = epoch;
    return this.endOffset(partition);
  }

  claimedEpoch(partition: number): Promise<number> {
    return Promise.resolve(this.#partition(partition).epoch);
  }

  read(partition: number, fromOffset: number, recordsMax: number): Promise<LogRecord[]> {
    const { firstOffset, records } = this.#partition(partition);
    const from = Math.max(fromOffset, firstOffset);
    return Promise.resolve(
      records.slice(from - firstOffset, from - firstOffset + recordsMax).map((bytes, i) => ({
        offset: from + i,
        bytes: bytes.slice(),
      })),
    );
  }

  endOffset(partition: number): Promise<number> {
    return Promise.resolve(this.knownEnd(partition));
  }

  knownEnd(partition: number): number {
    const { firstOffset, records } = this.#partition(partition);
    return firstOffset + records.length;
  }

  onAppended(partition: number, listener: () => void): () => void {
    return this.#partition(partition).listeners.add(listener);
  }

  commitOffset(consumer: string, partition: number, offset: number): Promise<void> {
    this.#partition(partition);
    this.#committed.set(`${partition} ${consumer}`, offset);
    return Promise.resolve();
  }

  committedOffset(consumer: string, partition: number): Promise<number> {
    return Promise.resolve(this.#committed.get(`${partition} ${consumer}`) ?? 0);
  }

  trim(partition: number, offset: number): Promise<void> {
    const target = this.#partition(partition);
    const gone = Math.min(Math.max(0, offset - target.firstOffset), target.records.length);
    for (const record of target.records.splice(0, gone)) this.#bytes -= record.byteLength;
    target.firstOffset += gone;
    if (gone > 0) this.#refusal = undefined;
    return Promise.resolve();
  }

  usage(): LogUsage {
    return { bytes: this.#bytes, bytesMax: this.#bytesMax };
  }

  refusal(): Error | undefined {
    return this.#refusal;
  }

  close(): Promise<void> {
    for (const { listeners } of this.#partitions) listeners.clear();
    return Promise.resolve();
  }

  #partition(partition: number): Partition {
    return partitionOf(this.#partitions, partition);
  }

  /** Calls listeners once for a burst of appends, after the appends have resolved. */
  #notify(partition: Partition): void {
    if (partition.notifying) return;
    partition.notifying = true;
    queueMicrotask(() => {
      partition.notifying = false;
      partition.listeners.tell();
    });
  }
}

function emptyPartition(): Partition {
  return { firstOffset: 0, records: [], epoch: 0, listeners: new Listeners(), notifying: false };
}
