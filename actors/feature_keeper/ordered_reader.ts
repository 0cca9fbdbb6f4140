/**
 * Reads the event log forwards, the oldest record of all partitions first.
 *
 * Histories and sessions depend on the order of a user's events, whose rankings may lie in several
 * partitions. A partition's records are in the order of the log; between partitions acceptance
 * times decide, among the records that are there. The reader waits for none: an event that is
 * appended to one partition while another one is read comes in the order of reading.
 */
import type { EventLog, LogRecord } from "../../mesh/ports/event_log.ts";
import { decodeEvent } from "../../records/event_record.ts";

/** A record and its partition. */
export interface OrderedRecord extends LogRecord {
  readonly partition: number;
}

interface Head {
  records: readonly LogRecord[];
  /** Index of the next one. */
  next: number;
  /** Acceptance time of the next one, ms. */
  acceptedAtMs: number;
  /** Offset from which the log is read on. */
  offset: number;
  /** Whether the last read has reached the end of the log. */
  isAtEnd: boolean;
}

export class OrderedReader {
  readonly #log: EventLog;
  readonly #recordsPerRead: number;
  readonly #heads: readonly Head[];

  /** @param offsets By partition, the offset of the first record. */
  constructor(log: EventLog, offsets: readonly number[], recordsPerRead: number) {
    this.#log = log;
    this.#recordsPerRead = recordsPerRead;
    this.#heads = offsets.map((offset) => ({
      records: [],
      next: 0,
      acceptedAtMs: 0,
      offset,
      isAtEnd: false,
    }));
  }

  /** Lets the reader look for records behind the ends that it has reached. */
  lookAgain(): void {
    for (const head of this.#heads) head.isAtEnd = false;
  }

  /** The next record; undefined when all partitions are read to their ends. */
  async next(): Promise<OrderedRecord | undefined> {
    let oldest: number | undefined;
    for (const [partition, head] of this.#heads.entries()) {
      if (head.next === head.records.length && !head.isAtEnd) await this.#read(partition, head);
      if (head.next === head.records.length) continue;
      if (oldest === undefined || head.acceptedAtMs < this.#heads[oldest].acceptedAtMs) {
        oldest = partition;
      }
    }
    if (oldest === undefined) return undefined;
    const head = this.#heads[oldest];
    const record = head.records[head.next++];
    this.#look(head);
    return { partition: oldest, ...record };
  }

  async #read(partition: number, head: Head): Promise<void> {
    head.records = await this.#log.read(partition, head.offset, this.#recordsPerRead);
    head.next = 0;
    head.isAtEnd = head.records.length < this.#recordsPerRead;
    head.offset = (head.records.at(-1)?.offset ?? head.offset - 1) + 1;
    this.#look(head);
  }

  /** Notes the acceptance time of a partition's next record, where times decide. */
  #look(head: Head): void {
    const record = head.records[head.next];
    if (record === undefined || this.#heads.length === 1) return;
    head.acceptedAtMs = acceptedAtMsOf(record.bytes);
  }
}

/** A record that cannot be decoded is taken first, and passed over. */
function acceptedAtMsOf(bytes: Uint8Array): number {
  try {
    return decodeEvent(bytes).acceptedAtMs;
  } catch {
    return -Infinity;
  }
}
