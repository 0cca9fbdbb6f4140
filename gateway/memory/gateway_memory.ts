/**
 * What a gateway remembers between requests, and how it gets it back after a restart: by reading the end of the
 * event log, which holds every ranking that was served and every event that was accepted.
 */
import { decodeEvent, type EventRecord } from "../../actors/joiner/protocol.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
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

  /** A memory of what the end of `eventLog` holds, as far as the options' bounds reach. */
  static async recall(
    eventLog: EventLog,
    clock: Clock,
    options: GatewayOptions,
  ): Promise<GatewayMemory> {
    const memory = new GatewayMemory(clock, options);
    const recordsMax = options.eventsRememberedMax + options.rankingsRememberedMax;
    for (let partition = 0; partition < eventLog.partitions; partition++) {
      const newestFirst = readBackwards(
        eventLog,
        partition,
        Math.ceil(recordsMax / eventLog.partitions),
      );
      const chunks: Recalled[][] = [];
      for await (const chunk of newestFirst) chunks.push(chunk);
      // The oldest go in first, since they are the first to be forgotten.
      for (const chunk of chunks.reverse()) for (const record of chunk) memory.#recall(record);
    }
    return memory;
  }

  #recall(record: Recalled): void {
    if ("eventId" in record) {
      this.events.recall(record.eventId, record.acceptedAtMs);
      this.acceptance.resumeAfter(record.acceptedAtMs);
    } else this.rankings.remember(record.rankingId, record.shown);
  }
}

/** Chunks of a partition from its end on, each in the order of the log. */
async function* readBackwards(
  eventLog: EventLog,
  partition: number,
  recordsMax: number,
): AsyncIterable<Recalled[]> {
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
    yield kept.map((record) => recalled(decodeEvent(record.bytes)));
  }
}

function recalled(record: EventRecord): Recalled {
  return record.kind === "action"
    ? { eventId: record.eventId, acceptedAtMs: record.acceptedAtMs }
    : { rankingId: record.rankingId, shown: hashItems(record.items) };
}
