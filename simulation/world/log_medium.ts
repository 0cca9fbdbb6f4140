/**
 * A log on a simulated disk. It outlives the process: records are written, then synced. Written
 * records survive the process, synced ones a power failure.
 */
import { type LogUsage, partitionOf } from "../../mesh/ports/event_log.ts";
import type { KeyedHash } from "../keyed_hash.ts";

/** Observes a log over all incarnations of the process. */
export interface LogObserver {
  /** Records are durable up to here. */
  durable?(
    log: string,
    partition: number,
    records: readonly Uint8Array[],
    firstOffset: number,
  ): void;
  trimmed?(log: string, partition: number, offset: number): void;
  /** A power failure took unsynced records. */
  lost?(log: string, partition: number, count: number): void;
}

/** One partition's records. */
export interface LogPartition {
  /** Offset of `records[0]`. */
  floor: number;
  readonly records: Uint8Array[];
  /** Offset behind the newest record that was written. */
  written: number;
  /** Offset behind the newest record that was synced. */
  durable: number;
}

/** The content of a log's files. */
export class LogMedium {
  readonly partitions: readonly LogPartition[];
  readonly committed = new Map<string, number>();
  /** Epochs of the writers that claimed partitions. */
  readonly epochs = new Map<number, number>();
  /** Appends are refused until this virtual time, ms. */
  refusedUntilMs = 0;
  #bytes = 0;

  constructor(
    readonly name: string,
    partitions: number,
    readonly bytesMax: number,
    readonly observer: LogObserver,
  ) {
    this.partitions = Array.from(
      { length: partitions },
      () => ({ floor: 0, records: [], written: 0, durable: 0 }),
    );
  }

  partition(partition: number): LogPartition {
    return partitionOf(this.partitions, partition);
  }

  usage(): LogUsage {
    return { bytes: this.#bytes, bytesMax: this.bytesMax };
  }

  /** Whether so many more bytes fit. */
  fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.bytesMax;
  }

  /** Records reach the page cache. */
  write(partition: number, records: readonly Uint8Array[]): void {
    const target = this.partition(partition);
    for (const record of records) {
      target.records.push(record);
      this.#bytes += record.byteLength;
    }
    target.written += records.length;
  }

  /** All records before `offset` reach the disk. */
  sync(partition: number, offset: number): void {
    const target = this.partition(partition);
    if (offset <= target.durable) return;
    const from = Math.max(target.durable, target.floor);
    const synced = target.records.slice(from - target.floor, offset - target.floor);
    target.durable = offset;
    this.observer.durable?.(this.name, partition, synced, from);
  }

  trim(partition: number, offset: number): void {
    const target = this.partition(partition);
    const count = Math.min(Math.max(0, offset - target.floor), target.durable - target.floor);
    for (const record of target.records.splice(0, count)) this.#bytes -= record.byteLength;
    target.floor += count;
    this.observer.trimmed?.(this.name, partition, target.floor);
  }

  /**
   * The process has died. Written records stay; a power failure keeps only a prefix of the unsynced
   * ones.
   *
   * @param kept Draws how many survive; undefined where only the process died.
   */
  crash(kept: KeyedHash | undefined, number: number): void {
    this.partitions.forEach((target, partition) => {
      const unsynced = target.written - target.durable;
      const lost = kept === undefined
        ? 0
        : unsynced - Math.floor(kept.float(number * 64 + partition) * (unsynced + 1));
      if (lost > 0) {
        for (const record of target.records.splice(target.records.length - lost)) {
          this.#bytes -= record.byteLength;
        }
        target.written -= lost;
        this.observer.lost?.(this.name, partition, lost);
      }
      this.sync(partition, target.written); // opening a log syncs its records
    });
  }
}
