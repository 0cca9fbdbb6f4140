/**
 * Reads the event log from its end backwards, the newest record of all partitions first.
 *
 * A partition's records are in the order of the log. Between partitions acceptance times decide, so
 * that a memory that is full has the newest records of the whole log. A ranking has the time of the
 * wall clock, which may have been set back: it counts as accepted with the records before it. Of
 * these only the ones of the same read are known, so rankings that fill a whole read may come as
 * much later than those of other partitions as the clock was set back.
 */
import { endOffsets, type EventLog, type LogRecord } from "../../mesh/ports/event_log.ts";
import { MergedStreams } from "../../structures/merged_streams.ts";

/** A record of a partition. */
export interface BackwardRecord<T> {
  readonly partition: number;
  readonly record: T;
}

/** A record, and the newest acceptance time among it and those before it in its read, ms. */
interface Timed<T> {
  readonly record: T;
  readonly atMs: number;
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
  #records: MergedStreams<Timed<T>> | undefined;
  /** By partition, the offset before which nothing was read yet; 0 = all was read. */
  #unread: number[] = [];

  constructor(options: BackwardReaderOptions<T>) {
    this.#options = options;
  }

  /** The next older record; undefined when none is left. */
  async next(): Promise<BackwardRecord<T> | undefined> {
    this.#records ??= await this.#open();
    const next = await this.#records.next();
    return next && { partition: next.stream, record: next.entry.record };
  }

  async #open(): Promise<MergedStreams<Timed<T>>> {
    this.#unread = await endOffsets(this.#options.log);
    return new MergedStreams(
      this.#unread.map((_, partition) => () => this.#read(partition)),
      (a, b) => a.atMs > b.atMs,
    );
  }

  /** The records before those that were read, the newest first. */
  async #read(partition: number): Promise<readonly Timed<T>[]> {
    const { log, recordsPerRead, decode } = this.#options;
    while (this.#unread[partition] > 0) {
      const before = this.#unread[partition];
      const from = Math.max(0, before - recordsPerRead);
      const records = (await log.read(partition, from, before - from))
        .filter(({ offset }) => offset < before);
      // Empty below the offset to which the log was trimmed.
      this.#unread[partition] = records.length === 0 ? 0 : from;
      const decoded = records.flatMap((record) => decode(record) ?? []);
      if (decoded.length > 0) return timed(decoded).reverse();
    }
    return [];
  }
}

/** @param records In the order of the log. */
function timed<T extends { readonly acceptedAtMs: number }>(records: readonly T[]): Timed<T>[] {
  let atMs = -Infinity;
  return records.map((record) => ({ record, atMs: atMs = Math.max(atMs, record.acceptedAtMs) }));
}
