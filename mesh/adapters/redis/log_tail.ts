/**
 * The newest records of a partition as a blocking read has brought them, without gaps: readers that
 * follow the partition take them from here, and need no read of their own.
 */
import type { LogRecord } from "../../ports/event_log.ts";

/** Bounds of a tail; the oldest records make room. */
export interface TailLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
}

export class LogTail {
  readonly #limits: TailLimits;
  #records: LogRecord[] = [];
  #bytes = 0;

  constructor(limits: TailLimits) {
    this.#limits = limits;
  }

  /** The offset after its newest record; undefined where it is empty. */
  get endOffset(): number | undefined {
    const last = this.#records.at(-1);
    return last && last.offset + 1;
  }

  /** Adds records behind it; where one is missing between them, the earlier ones are dropped. */
  add(records: readonly LogRecord[]): void {
    for (const record of records) {
      const { endOffset } = this;
      if (endOffset !== undefined && record.offset !== endOffset) this.clear();
      this.#records.push(record);
      this.#bytes += record.bytes.byteLength;
    }
    const { recordsMax, bytesMax } = this.#limits;
    let excess = 0;
    for (; excess < this.#records.length; excess++) {
      const isWithin = this.#records.length - excess <= recordsMax && this.#bytes <= bytesMax;
      if (isWithin) break;
      this.#bytes -= this.#records[excess].bytes.byteLength;
    }
    if (excess > 0) this.#records = this.#records.slice(excess);
  }

  /**
   * Copies of the records from this offset on, up to `recordsMax`; none where it ends there.
   * Undefined where it does not have the record of that offset.
   */
  read(fromOffset: number, recordsMax: number): LogRecord[] | undefined {
    const { endOffset } = this;
    if (endOffset === undefined) return undefined;
    const from = this.#records.length - (endOffset - fromOffset);
    if (from < 0 || fromOffset > endOffset) return undefined;
    return this.#records.slice(from, from + recordsMax)
      .map(({ offset, bytes }) => ({ offset, bytes: bytes.slice() }));
  }

  /** Drops all records. */
  clear(): void {
    this.#records = [];
    this.#bytes = 0;
  }
}
