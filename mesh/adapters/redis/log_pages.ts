/**
 * Reads a partition of a log in Redis in replies of about 4 MiB, by the sizes of the records that
 * were read before.
 */
import type { LogRecord } from "../../ports/event_log.ts";
import { idOf, offsetOf } from "./log_scripts.ts";
import type { RedisServer } from "./redis_server.ts";

/** Bytes of one reply that a read aims at. */
const PAGE_BYTES = 4 * 2 ** 20;
/** Records of one reply at most. */
const PAGE_RECORDS_MAX = 4_096;
/** Assumed size of a record before the first was read, bytes. */
const RECORD_BYTES_ASSUMED = 64 * 2 ** 10;
/** Least assumed size of a record, bytes. */
const RECORD_BYTES_MIN = 64;

/** First character of the field of a record; that of a separator is another one. */
const RECORD_FIELD = "r".charCodeAt(0);

type StreamEntry = [id: Buffer, fields: [name: Buffer, bytes: Buffer]];

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
      let bytes = 0;
      for (const [id, [name, record]] of page) {
        // A separator is no record; the record before it is in the page, or was read before.
        if (name[0] !== RECORD_FIELD) continue;
        // The reply is a view into the socket's buffer, which the record must not keep alive.
        records.push({ offset: offsetOf(id.toString("latin1")), bytes: new Uint8Array(record) });
        bytes += record.byteLength;
      }
      if (bytes > 0) this.#recordBytes = Math.max(RECORD_BYTES_MIN, bytes / page.length);
      if (page.length < count) break;
      from = records[records.length - 1].offset + 1;
    }
    return records;
  }
}
