/**
 * What a gateway remembers between requests, and how it gets it back after a restart: by reading the end of the
 * event log, which holds every ranking that was served and every event that was accepted.
 */
import { decodeEvent } from "../../actors/joiner/protocol.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { GatewayOptions } from "../options.ts";
import { AcceptanceClock } from "./acceptance_clock.ts";
import { RecentEvents } from "./recent_events.ts";
import { RecentRankings } from "./recent_rankings.ts";

const recordsPerRead = 1000;

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
    const perPartition = Math.ceil(recordsMax / eventLog.partitions);
    for (let partition = 0; partition < eventLog.partitions; partition++) {
      const end = await eventLog.endOffset(partition);
      let offset = Math.max(0, end - perPartition);
      while (offset < end) {
        const records = await eventLog.read(partition, offset, recordsPerRead);
        if (records.length === 0) break;
        for (const record of records) memory.#recallRecord(record.bytes);
        offset = records[records.length - 1].offset + 1;
      }
    }
    return memory;
  }

  #recallRecord(bytes: Uint8Array): void {
    const record = decodeEvent(bytes);
    if (record.kind === "action") {
      this.events.recall(record.eventId, record.acceptedAtMs);
      this.acceptance.resumeAfter(record.acceptedAtMs);
    } else {
      this.rankings.remember(record.rankingId, record.items.map((id) => ({ id })));
    }
  }
}
