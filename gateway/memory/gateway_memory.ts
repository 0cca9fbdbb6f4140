/**
 * What a gateway remembers between requests, and how it gets it back after a restart: by reading the end of the
 * event log, which holds every ranking that was served and every event that was accepted.
 */
import { decodeEvent, itemsShown } from "../../records/event_record.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { EventLog, LogRecord } from "../../mesh/ports/event_log.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import type { GatewayOptions } from "../options.ts";
import { AcceptanceClock } from "./acceptance_clock.ts";
import { RecentEvents } from "./recent_events.ts";
import { hashItems, RecentRankings } from "./recent_rankings.ts";

const recordsPerRead = 1000;

/** Read at most this much of a partition's end, so that a log of long rankings does not hold up the start. */
const recallBytesMax = 256 * 1024 * 1024;

/** What is remembered of one record. */
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
   * A memory of what the end of `eventLog` holds, as far as the options' bounds reach. A record that cannot be
   * decoded is skipped, as the joiner skips it: one damaged event must not keep the server from starting.
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
      // The oldest go in first, since they are the first to be forgotten.
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

/** Chunks of a partition from its end on, each in the order of the log. */
async function* readBackwards(
  eventLog: EventLog,
  partition: number,
  recordsMax: number,
): AsyncIterable<LogRecord[]> {
  const end = await eventLog.endOffset(partition);
  let bytes = 0;
  for (
    let before = end;
    before > Math.max(0, end - recordsMax) && bytes < recallBytesMax;
    before -= recordsPerRead
  ) {
    const from = Math.max(0, before - recordsPerRead);
    const records = await eventLog.read(partition, from, before - from);
    const kept = records.filter(({ offset }) => offset < before);
    if (kept.length === 0) return;
    for (const record of kept) bytes += record.bytes.byteLength;
    yield kept;
  }
}

/** What to remember of a record; undefined where it cannot be decoded. */
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
