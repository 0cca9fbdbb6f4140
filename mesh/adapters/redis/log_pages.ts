/**
 * Reads a partition of a log in Redis in replies of about 4 MiB, by the sizes of the records that
 * were read before.
 */
import type { LogRecord } from "../../ports/event_log.ts";
import { idOf } from "./log_scripts.ts";
import type { RedisServer } from "./redis_server.ts";
import { recordsOf, type StreamEntry } from "./stream_entries.ts";

/** Bytes of one reply that a read aims at. */
const PAGE_BYTES = 4 * 2 ** 20;
/** Records of one reply at most. */
const PAGE_RECORDS_MAX = 4_096;
/** Assumed size of a record before the first was read, bytes. */
const RECORD_BYTES_ASSUMED = 64 * 2 ** 10;
/** Least assumed size of a record, bytes. */
const RECORD_BYTES_MIN = 64;

export class LogPages {
  readonly #server: RedisServer;
  readonly #stream: string;
  /** Mean size of the records that were read last, bytes. */
  #recordBytes = RECORD_BYTES_ASSUMED;

  /** @param stream Key of the partition's stream. */
  constructor(server: RedisServer, stream: string) {
    this.#server = server;
    this.#stream = stream;
  }

  /**
   * Up to `recordsMax` records from `fromOffset` on, or from the oldest record that is left.
   *
   * @throws {RedisUnavailableError} The server does not answer.
   */
  async read(fromOffset: number, recordsMax: number): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    let from = Math.max(0, fromOffset);
    while (records.length < recordsMax) {
      const fitting = Math.floor(PAGE_BYTES / this.#recordBytes);
      const count = Math.max(1, Math.min(recordsMax - records.length, PAGE_RECORDS_MAX, fitting));
      const page = await this.#server.reads.sendForBytes<StreamEntry[]>(
        ["XRANGE", this.#stream, idOf(from), "+", "COUNT", count],
      );
      const found = recordsOf(page);
      const bytes = found.reduce((sum, record) => sum + record.bytes.byteLength, 0);
      records.push(...found);
      if (bytes > 0) this.#recordBytes = Math.max(RECORD_BYTES_MIN, bytes / page.length);
      if (page.length < count) break;
      // Behind a separator too: the record before it is in the page, or was read before.
      from = records[records.length - 1].offset + 1;
    }
    return records;
  }
}
