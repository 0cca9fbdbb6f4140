/**
 * Reads the event log forwards, the oldest record of all partitions first.
 *
 * Histories and sessions depend on the order of a user's events, whose rankings may lie in several
 * partitions. A partition's records are in the order of the log; between partitions acceptance
 * times decide, among the records that are there. The reader waits for none: an event that is
 * appended to one partition while another one is read comes in the order of reading.
 */
import type { EventLog, LogRecord } from "../../mesh/ports/event_log.ts";
import { decodeEvent, type EventRecord } from "../../records/event_record.ts";
import { MergedStreams } from "../../structures/merged_streams.ts";

/** A record of a partition. It is decoded once, when its event is asked for. */
export class OrderedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  #event: EventRecord | undefined;
  #isDecoded = false;

  constructor(partition: number, { offset, bytes }: LogRecord) {
    this.partition = partition;
    this.offset = offset;
    this.bytes = bytes;
  }

  /** Undefined for a record that cannot be decoded, which the joiner counts and reports. */
  get event(): EventRecord | undefined {
    if (this.#isDecoded) return this.#event;
    this.#isDecoded = true;
    try {
      this.#event = decodeEvent(this.bytes);
    } catch {
      this.#event = undefined;
    }
    return this.#event;
  }

  /** A record that cannot be decoded comes first. */
  get acceptedAtMs(): number {
    return this.event?.acceptedAtMs ?? -Infinity;
  }
}

interface Partition {
  /** Offset from which the log is read on. */
  offset: number;
  /** Whether the last read has reached the end of the log. */
  isAtEnd: boolean;
}

export class OrderedReader {
  readonly #log: EventLog;
  readonly #recordsPerRead: number;
  readonly #partitions: readonly Partition[];
  readonly #records: MergedStreams<OrderedRecord>;

  /** @param offsets By partition, the offset of the first record. */
  constructor(log: EventLog, offsets: readonly number[], recordsPerRead: number) {
    this.#log = log;
    this.#recordsPerRead = recordsPerRead;
    this.#partitions = offsets.map((offset) => ({ offset, isAtEnd: false }));
    this.#records = new MergedStreams(
      offsets.map((_, partition) => () => this.#read(partition)),
      (a, b) => a.acceptedAtMs < b.acceptedAtMs,
    );
  }

  /** Lets the reader look for records behind the ends that it has reached in these partitions. */
  lookAgain(partitions: Iterable<number>): void {
    for (const partition of partitions) this.#partitions[partition].isAtEnd = false;
  }

  /** False where the last read of a partition found no record, and none did before. */
  hasRecords(partition: number): boolean {
    const { isAtEnd, offset } = this.#partitions[partition];
    return !isAtEnd || offset > 0;
  }

  /** The next record; undefined when all partitions are read to their ends. */
  async next(): Promise<OrderedRecord | undefined> {
    return (await this.#records.next())?.entry;
  }

  async #read(number: number): Promise<readonly OrderedRecord[]> {
    const partition = this.#partitions[number];
    if (partition.isAtEnd) return [];
    const { offset } = partition;
    const records = await this.#log.read(number, offset, this.#recordsPerRead, "follower");
    partition.isAtEnd = records.length < this.#recordsPerRead;
    partition.offset = (records.at(-1)?.offset ?? partition.offset - 1) + 1;
    return records.map((record) => new OrderedRecord(number, record));
  }
}
