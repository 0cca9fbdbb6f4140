/**
 * The state that a gateway keeps between requests: recent rankings, recent events and the
 * acceptance clock. After a restart it is read back from the end of the event log, which holds
 * every ranking that was served and every event that was accepted.
 */
import { decodeEvent, itemsShown } from "../../records/event_record.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { EventLog, LogRecord } from "../../mesh/ports/event_log.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import type { GatewayOptions } from "../options.ts";
import { AcceptanceClock } from "./acceptance_clock.ts";
import { RecentEvents } from "./recent_events.ts";
import { hashItems, RecentRankings } from "./recent_rankings.ts";

const RECORDS_PER_READ = 1000;

/** Most that is read of a partition, so that a log of long rankings does not delay the start. */
const RECALL_BYTES_MAX = 256 * 1024 * 1024;

/** The part of a record that is remembered. */
type Recalled =
  | { readonly eventId: string; readonly acceptedAtMs: number }
  | { readonly rankingId: string; readonly shown: Uint32Array };

export class GatewayMemory {
  readonly events: RecentEvents;
  readonly rankings: RecentRankings;
  readonly acceptance: AcceptanceClock;

  constructor(clock: Clock, options: GatewayOptions) {
    this.events = new RecentEvents(options.eventsRememberedMax);
    this.rankings = new RecentRankings(options.rankingsRememberedMax);
    this.acceptance = new AcceptanceClock(clock);
  }

  /**
   * Reads the end of `eventLog` back, within the bounds of the options. A record that cannot be
   * decoded is skipped, as the joiner skips it: one such event must not keep the server from
   * starting.
   */
  static async recall(
    eventLog: EventLog,
    clock: Clock,
    options: GatewayOptions,
    telemetry: Telemetry,
  ): Promise<GatewayMemory> {
    const memory = new GatewayMemory(clock, options);
    let invalid = 0;
    const recordsMax = options.eventsRememberedMax + options.rankingsRememberedMax;
    for (let partition = 0; partition < eventLog.partitions; partition++) {
      const newestFirst = readBackwards(
        eventLog,
        partition,
        Math.ceil(recordsMax / eventLog.partitions),
      );
      const chunks: Recalled[][] = [];
      for await (const records of newestFirst) {
        const chunk = records.map(recalled).filter((record) => record !== undefined);
        invalid += records.length - chunk.length;
        chunks.push(chunk);
      }
      // Oldest first, in the order in which they will be forgotten.
      for (const chunk of chunks.reverse()) for (const record of chunk) memory.#recall(record);
    }
    if (invalid > 0) {
      telemetry.log("warn", "skipped event records that cannot be decoded", { records: invalid });
    }
    return memory;
  }

  #recall(record: Recalled): void {
    if ("eventId" in record) {
      this.events.recall(record.eventId, record.acceptedAtMs);
      this.acceptance.resumeAfter(record.acceptedAtMs);
    } else this.rankings.recall(record.rankingId, record.shown);
  }
}

/** Chunks of a partition, newest chunk first; the records of a chunk are in log order. */
async function* readBackwards(
  eventLog: EventLog,
  partition: number,
  recordsMax: number,
): AsyncIterable<LogRecord[]> {
  const end = await eventLog.endOffset(partition);
  let bytes = 0;
  for (
    let before = end;
    before > Math.max(0, end - recordsMax) && bytes < RECALL_BYTES_MAX;
    before -= RECORDS_PER_READ
  ) {
    const from = Math.max(0, before - RECORDS_PER_READ);
    const records = await eventLog.read(partition, from, before - from);
    const kept = records.filter(({ offset }) => offset < before);
    if (kept.length === 0) return;
    for (const record of kept) bytes += record.bytes.byteLength;
    yield kept;
  }
}

/** The part to remember; undefined for a record that cannot be decoded. */
function recalled({ bytes }: LogRecord): Recalled | undefined {
  try {
    const record = decodeEvent(bytes);
    return record.kind === "action"
      ? { eventId: record.eventId, acceptedAtMs: record.acceptedAtMs }
      : { rankingId: record.rankingId, shown: hashItems(itemsShown(record)) };
  } catch {
    return undefined;
  }
}
