/**
 * Reads the event log from its end backwards, the newest record of all partitions first.
 *
 * A partition's records are in the order of the log. Between partitions acceptance times decide, so
 * that a memory that is full has the newest records of the whole log.
 */
import { endOffsets, type EventLog, type LogRecord } from "../../mesh/ports/event_log.ts";
import { present } from "../../structures/invariant.ts";

/** A record of a partition. */
export interface BackwardRecord<T> {
  readonly partition: number;
  readonly record: T;
}

interface Tail<T> {
  /** Offset before which nothing was read yet; 0 = all was read. */
  unread: number;
  /** Records that were read and not taken, the oldest first. */
  records: readonly T[];
  /** How many of `records` are left. */
  left: number;
}

export interface BackwardReaderOptions<T> {
  readonly log: EventLog;
  /** Records of one read. */
  readonly recordsPerRead: number;
  /** Undefined for a record that cannot be decoded, which is passed over. */
  readonly decode: (record: LogRecord) => T | undefined;
}

export class BackwardReader<T extends { readonly acceptedAtMs: number }> {
  readonly #options: BackwardReaderOptions<T>;
  #tails: Tail<T>[] | undefined;

  constructor(options: BackwardReaderOptions<T>) {
    this.#options = options;
  }

  /** The next older record; undefined when none is left. */
  async next(): Promise<BackwardRecord<T> | undefined> {
    const tails = this.#tails ??= await this.#open();
    let newest: { readonly partition: number; readonly record: T } | undefined;
    for (const [partition, tail] of tails.entries()) {
      while (tail.left === 0 && tail.unread > 0) await this.#read(partition, tail);
      if (tail.left === 0) continue;
      const record = tail.records[tail.left - 1];
      if (newest === undefined || record.acceptedAtMs > newest.record.acceptedAtMs) {
        newest = { partition, record };
      }
    }
    if (newest !== undefined) present(tails[newest.partition], "a partition has a tail").left--;
    return newest;
  }

  async #open(): Promise<Tail<T>[]> {
    const ends = await endOffsets(this.#options.log);
    return ends.map((unread) => ({ unread, records: [], left: 0 }));
  }

  async #read(partition: number, tail: Tail<T>): Promise<void> {
    const { log, recordsPerRead, decode } = this.#options;
    const before = tail.unread;
    const from = Math.max(0, before - recordsPerRead);
    const records = (await log.read(partition, from, before - from))
      .filter(({ offset }) => offset < before);
    // Empty below the offset to which the log was trimmed.
    tail.unread = records.length === 0 ? 0 : from;
    tail.records = records.flatMap((record) => decode(record) ?? []);
    tail.left = tail.records.length;
  }
}
