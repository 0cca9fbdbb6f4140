/**
 * The records of a log in the entries of a stream, as `XRANGE` and `XREAD` answer them.
 */
import type { LogRecord } from "../../ports/event_log.ts";
import { offsetOf } from "./log_scripts.ts";

export type StreamEntry = readonly [id: Buffer, fields: readonly [name: Buffer, bytes: Buffer]];

/** First character of the field of a record; that of a separator is another one. */
const RECORD_FIELD = "r".charCodeAt(0);

/** The records of these entries, in their order; separators are left out. */
export function recordsOf(entries: readonly StreamEntry[]): LogRecord[] {
  const records: LogRecord[] = [];
  for (const [id, [name, record]] of entries) {
    if (name[0] !== RECORD_FIELD) continue;
    // The reply is a view into the socket's buffer, which the record must not keep alive.
    records.push({ offset: offsetOf(id.toString("latin1")), bytes: new Uint8Array(record) });
  }
  return records;
}
