/**
 * Fills a gateway's memory after a restart. The event log holds every ranking that was served and
 * every event that was accepted; the joiner keeps at least those of its window, and a release of
 * newer ones leaves their event ids (see carried_events.ts).
 *
 * The log is read from its end backwards, in steps with pauses between them, while requests are
 * answered: a window of 200,000 rankings of 100 items is 2 GB, which takes some 20 s to decode.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import { endOffsets, type EventLog } from "../../mesh/ports/event_log.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import {
  decodeEvent,
  type EventRecord,
  type ImpressionRecord,
  itemsShown,
} from "../../records/event_record.ts";
import { decodeExamples } from "../../records/example_chunk.ts";
import { unpackEvents } from "../../records/remembered_events.ts";
import { fingerprintOf } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";
import { BackwardReader } from "./backward_reader.ts";
import type { GatewayMemory } from "./gateway_memory.ts";
import { hashRanking } from "./recent_rankings.ts";

/** Records read and decoded at once; at 100 items a ranking some 3 ms. */
const RECORDS_PER_STEP = 64;

/** Records that are read before the first request, so that a short log is known from the start. */
const RECORDS_BEFORE_START = 1024;

export interface RecallSource {
  readonly eventLog: EventLog;
  /** Absent where this mesh does not train. */
  readonly exampleLog?: EventLog;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** A memory that is being filled. */
export interface Recall {
  /** Resolves when the memory is complete, or when reading has stopped or failed. Never rejects. */
  readonly done: Promise<void>;
  /** Ends the reading; resolves when the log is no longer in use. */
  stop(): Promise<void>;
}

/**
 * Begins to fill `memory` from the logs. When the promise resolves, the acceptance clock has
 * resumed and requests may be answered.
 */
export async function recallFromLogs(memory: GatewayMemory, source: RecallSource): Promise<Recall> {
  const recall = new LogRecall(memory, source);
  memory.isComplete = false;
  await recall.resumeAcceptance();
  await recall.readSome(RECORDS_BEFORE_START);
  let stopped = false;
  const done = recall.readOn(() => stopped);
  return {
    done,
    stop() {
      stopped = true;
      return done;
    },
  };
}

class LogRecall {
  readonly #memory: GatewayMemory;
  readonly #source: RecallSource;
  readonly #reader: BackwardReader<Recalled>;
  /** Whether older rankings and events would be remembered. */
  readonly #roomFor = { rankings: true, events: true };
  /** Records that could not be decoded. */
  #invalid = 0;
  /** Fingerprints of erased users, whose older rankings are passed over, by partition. */
  readonly #forgotten: FingerprintMap[] = [];

  constructor(memory: GatewayMemory, source: RecallSource) {
    this.#memory = memory;
    this.#source = source;
    this.#reader = new BackwardReader({
      log: source.eventLog,
      recordsPerRead: RECORDS_PER_STEP,
      decode: ({ bytes }) => {
        const record = decoded(bytes);
        if (record === undefined) this.#invalid++;
        return record;
      },
    });
  }

  /**
   * Keeps acceptance times above those of the logs. The example log is read too, because the
   * newest records of the event log may all be rankings, and freshness is told by its chunks.
   */
  async resumeAcceptance(): Promise<void> {
    const { eventLog, exampleLog } = this.#source;
    for (const bytes of await newestRecords(eventLog)) {
      const record = decoded(bytes);
      if (record !== undefined) this.#memory.acceptanceClock.resumeAfter(record.acceptedAtMs);
    }
    if (exampleLog === undefined) return;
    for (const bytes of await newestRecords(exampleLog)) {
      this.#memory.acceptanceClock.resumeAfter(decodeExamples(bytes).acceptedAtMs);
    }
  }

  /** Reads up to `recordsMax` records. */
  async readSome(recordsMax: number): Promise<void> {
    for (let read = 0; read < recordsMax && !this.#memory.isComplete; read += RECORDS_PER_STEP) {
      await this.#step();
    }
  }

  /** Reads until the memory is complete, pausing as long as each step took. */
  async readOn(isStopped: () => boolean): Promise<void> {
    const { clock, telemetry } = this.#source;
    try {
      while (!this.#memory.isComplete && !isStopped()) {
        const startMs = clock.monotonicMs();
        await this.#step();
        const tookMs = clock.monotonicMs() - startMs;
        await new Promise<void>((resolve) => clock.schedule(tookMs, resolve));
      }
    } catch (cause) {
      if (isStopped()) return;
      telemetry.log(
        "error",
        "cannot read rankings and events back from the event log; events on rankings from before " +
          "the start are left to the joiner",
        { cause },
      );
    }
  }

  /** Reads the next older records. */
  async #step(): Promise<void> {
    const { telemetry } = this.#source;
    let hasMore = true;
    for (let read = 0; hasMore && read < RECORDS_PER_STEP; read++) {
      const next = await this.#reader.next();
      if (next === undefined) hasMore = false;
      else this.#recall(next.record, next.partition);
    }
    const hasRoom = this.#roomFor.rankings || this.#roomFor.events;
    if (hasRoom && hasMore) return;
    this.#memory.isComplete = true;
    if (this.#invalid > 0) {
      const records = this.#invalid;
      telemetry.log("warn", "skipped event records that cannot be decoded", { records });
    }
  }

  /** Whether a user was erased behind the records of a partition that are read now. */
  #isForgotten(user: string, partition: number): boolean {
    const fingerprint = fingerprintOf(user);
    // The record of an erasure that came after a partition was sealed is in the others.
    return partition < this.#source.eventLog.firstPartition
      ? this.#forgotten.some((forgotten) => forgotten?.has(fingerprint))
      : this.#forgotten[partition].has(fingerprint);
  }

  #recall(record: Recalled, partition: number): void {
    const { acceptanceClock, events, items, rankings, userRankings } = this.#memory;
    const forgotten = this.#forgotten[partition] ??= new FingerprintMap();
    if (record.kind !== "impression") {
      acceptanceClock.resumeAfter(record.acceptedAtMs);
    }
    switch (record.kind) {
      case "action":
        this.#roomFor.events = events.recallOlder(record);
        items.add(record.item);
        return;
      case "remembered":
        for (const event of unpackEvents(record.events).reverse()) {
          this.#roomFor.events = events.recallRemembered(event);
        }
        return;
      case "forget":
        forgotten.set(fingerprintOf(record.user), 1);
        return;
      case "release":
      case "mark":
      case "shown":
        return;
      case "impression": {
        const { rankingId, atMs, user, shown } = record;
        if (this.#isForgotten(user, partition)) return;
        userRankings.recallOlder(user, { rankingId, atMs });
        this.#roomFor.rankings = rankings.recallOlder(rankingId, shown);
        return;
      }
      default:
        record satisfies never;
    }
  }
}

/** A record, or the part of an impression that is remembered. */
type Recalled = Exclude<EventRecord, ImpressionRecord> | {
  readonly kind: "impression";
  readonly rankingId: string;
  readonly acceptedAtMs: number;
  readonly atMs: number;
  readonly user: string;
  readonly shown: Uint32Array;
};

/** The record's part to remember; undefined for a record that cannot be decoded. */
function decoded(bytes: Uint8Array): Recalled | undefined {
  try {
    const record = decodeEvent(bytes);
    if (record.kind !== "impression") return record;
    const { acceptedAtMs, kind, rankingId, atMs, user } = record;
    return {
      kind,
      rankingId,
      acceptedAtMs,
      atMs,
      user,
      shown: hashRanking(itemsShown(record), atMs),
    };
  } catch {
    return undefined;
  }
}

/** The newest record of each partition that has one. */
async function newestRecords(log: EventLog): Promise<Uint8Array[]> {
  const ends = await endOffsets(log);
  const newest = await Promise.all(
    ends.map((end, partition) => end === 0 ? [] : log.read(partition, end - 1, 1)),
  );
  return newest.flatMap((records) => records.map(({ bytes }) => bytes));
}
