/**
 * Writes a {@link MarkRecord} to each partition of the event log that has no events: no event of an
 * earlier acceptance time follows the record.
 *
 * Freshness is the minimum over all partitions, and a partition without new events would hold it.
 * So after an event, each partition that has had none since gets a mark: a record with the next
 * acceptance time. It also carries the data clock on, so that windows end there. A partition gets
 * its mark at once where it has had no record for an interval, and otherwise at the interval's end:
 * one with events at shorter intervals gets none.
 *
 * Where several gateways append to the log, the records of the others count too. The log knows
 * them: it is asked for the marks that are due, and answers with the newest acceptance time of each
 * partition. So all gateways together write as many marks as one would.
 */
import type { Clock, Timer } from "../mesh/ports/clock.ts";
import { type EventLog, isRefusal, SealedPartitionError } from "../mesh/ports/event_log.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import { encodeStampable, type MarkRecord } from "../records/event_record.ts";
import type { AcceptanceClock } from "./memory/acceptance_clock.ts";

/** Least time after an event until a partition is marked, ms: events come several at a time. */
const GATHER_MS = 5;
/** Bounds of the time between a record of a partition and a mark, ms. */
const [MARK_MS_MIN, MARK_MS_MAX] = [50, 100];
/** Marks of all partitions that the time between them aims at, by all gateways. */
const MARKS_PER_SECOND = 160;
/** Pause before a log that refused marks is tried again, ms. */
const REFUSED_RETRY_MS = 1_000;

/** The place of an event that waits, where none does. */
const NONE_WAITS = { acceptedAtMs: Infinity, sinceMs: Infinity };

export interface MarkWriterParts {
  readonly eventLog: EventLog;
  readonly acceptanceClock: AcceptanceClock;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** The records of a partition, as far as this gateway knows them. */
interface PartitionRecords {
  /** The newest acceptance time, ms. */
  newestMs: number;
  /** When the newest record came, on the monotonic clock, ms. */
  recordedAtMs: number;
  /**
   * The acceptance time of the oldest event of this gateway, in any partition, that is newer than
   * `newestMs`, ms, and its moment on the monotonic clock, ms; Infinity where there is none.
   */
  waiting: { readonly acceptedAtMs: number; readonly sinceMs: number };
}

export class MarkWriter {
  readonly #parts: MarkWriterParts;
  /** By partition. */
  readonly #records: PartitionRecords[] = [];
  /** Acceptance time of the newest event, ms. */
  #acceptedAtMs = 0;
  /** Newest time of an event or a ranking, on the data clock, ms. */
  #atMs = 0;
  #timer: Timer | undefined;
  #marking: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: MarkWriterParts) {
    this.#parts = parts;
  }

  /** Marks all partitions of a log that holds events: a stop may have come before their marks. */
  start(): void {
    if (this.#open.length === 1) return;
    this.#awaitMarks(this.#parts.acceptanceClock.lastMs);
    this.#markLater();
  }

  /** Notes the time of a ranking, on the data clock, ms. */
  ranked(atMs: number): void {
    if (atMs > this.#atMs) this.#atMs = atMs;
  }

  /** Notes an event that the log has. */
  accepted(
    partition: number,
    { acceptedAtMs, atMs }: { readonly acceptedAtMs: number; readonly atMs: number },
  ): void {
    if (this.#open.length === 1) return;
    this.#reached(partition, acceptedAtMs, this.#parts.clock.monotonicMs());
    this.#awaitMarks(acceptedAtMs);
    this.ranked(atMs);
    this.#markLater();
  }

  /** The partitions that take records; all that the log has by now are known here. */
  get #open(): number[] {
    const { firstPartition, partitions } = this.#parts.eventLog;
    while (this.#records.length < partitions) {
      this.#records.push({ newestMs: 0, recordedAtMs: -Infinity, waiting: NONE_WAITS });
    }
    return Array.from({ length: partitions - firstPartition }, (_, i) => firstPartition + i);
  }

  /** Time between a record of a partition and a mark, ms. */
  get #markMs(): number {
    const { firstPartition, partitions } = this.#parts.eventLog;
    const markMs = 1_000 * (partitions - firstPartition) / MARKS_PER_SECOND;
    return Math.min(MARK_MS_MAX, Math.max(MARK_MS_MIN, markMs));
  }

  /** Resolves when no mark is being appended any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#marking;
  }

  /**
   * Notes a record of a partition.
   *
   * @param recordedAtMs When it came, on the monotonic clock, ms.
   */
  #reached(partition: number, acceptedAtMs: number, recordedAtMs: number): void {
    const records = this.#records[partition];
    records.recordedAtMs = Math.max(recordedAtMs, records.recordedAtMs);
    records.newestMs = Math.max(acceptedAtMs, records.newestMs);
    if (acceptedAtMs < records.waiting.acceptedAtMs) return;
    records.waiting = acceptedAtMs < this.#acceptedAtMs
      ? { acceptedAtMs, sinceMs: recordedAtMs }
      : NONE_WAITS;
  }

  /** Notes the acceptance time that all partitions have to reach. */
  #awaitMarks(acceptedAtMs: number): void {
    if (acceptedAtMs <= this.#acceptedAtMs) return;
    this.#acceptedAtMs = acceptedAtMs;
    const sinceMs = this.#parts.clock.monotonicMs();
    for (const partition of this.#open) {
      const records = this.#records[partition];
      if (records.newestMs >= acceptedAtMs || records.waiting !== NONE_WAITS) continue;
      records.waiting = { acceptedAtMs, sinceMs };
    }
  }

  /** Marks the partitions that are behind when they are due, and not before `pauseMs`. */
  #markLater(pauseMs = 0): void {
    if (this.#stopped || this.#timer !== undefined || this.#marking !== undefined) return;
    const { clock } = this.#parts;
    const dueAtMs = Math.min(...this.#open.map((partition) => this.#dueAtMs(partition)));
    if (dueAtMs === Infinity) return;
    this.#timer = clock.schedule(Math.max(pauseMs, dueAtMs - clock.monotonicMs()), () => {
      this.#timer = undefined;
      this.#marking = this.#markDue().finally(() => this.#marking = undefined).then((isMarked) =>
        this.#markLater(isMarked ? 0 : REFUSED_RETRY_MS)
      );
    });
  }

  /** Marks the partitions that are due; false where the log refuses one of them. */
  async #markDue(): Promise<boolean> {
    const { eventLog, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    const due = this.#open.filter((partition) => this.#dueAtMs(partition) <= nowMs);
    if (due.length === 0) return true; // records came meanwhile
    const outcomes = await Promise.allSettled(
      eventLog.mark === undefined
        ? due.map((partition) => this.#mark(partition))
        : [this.#markUnlessOthers(due)],
    );
    const failures = outcomes.flatMap((each) => each.status === "rejected" ? [each.reason] : []);
    // No mark of a sealed partition is awaited, and those of the new ones are due.
    if (failures.some((error) => error instanceof SealedPartitionError)) {
      const newestMs = this.#acceptedAtMs;
      this.#acceptedAtMs = 0;
      this.#awaitMarks(newestMs);
    }
    const cause = failures.find((error) =>
      !isRefusal(error) && !(error instanceof SealedPartitionError)
    );
    if (cause !== undefined) {
      this.#parts.telemetry.log("warn", "cannot mark partitions of the event log", { cause });
    }
    return failures.length === 0;
  }

  /** When a partition is to be marked, on the monotonic clock, ms; Infinity = not at all. */
  #dueAtMs(partition: number): number {
    const { waiting, recordedAtMs } = this.#records[partition];
    return Math.max(waiting.sinceMs + GATHER_MS, recordedAtMs + this.#markMs);
  }

  async #mark(partition: number): Promise<void> {
    const { eventLog, acceptanceClock, clock } = this.#parts;
    const acceptedAtMs = acceptanceClock.nextMs();
    await eventLog.append(partition, [this.#encoded(acceptedAtMs)], "written");
    this.#reached(partition, acceptedAtMs, clock.monotonicMs());
  }

  /** Marks the partitions that have had no record of any gateway for an interval. */
  async #markUnlessOthers(partitions: readonly number[]): Promise<void> {
    const { eventLog, acceptanceClock, clock } = this.#parts;
    const markMs = this.#markMs;
    const askedAtMs = clock.monotonicMs();
    const asked = partitions.map((partition) => {
      const { acceptedAtMs, sinceMs } = this.#records[partition].waiting;
      // Acceptance times may be those of another gateway's clock; only their distances are used.
      const presentMs = acceptedAtMs + (askedAtMs - sinceMs);
      return { partition, presentMs, unlessAfterMs: presentMs - markMs };
    });
    const acceptedAtMs = acceptanceClock.nextMs();
    const mark = { bytes: this.#encoded(acceptedAtMs), acceptedAtMs };
    const newest = await eventLog.mark?.(asked, mark) ?? [];
    const answeredAtMs = clock.monotonicMs();
    newest.forEach((newestMs, i) => {
      const { partition, presentMs } = asked[i];
      const recordedAtMs = askedAtMs + (newestMs - presentMs);
      // The next look comes after a pause, whatever the clocks say.
      const earliestMs = answeredAtMs + GATHER_MS - markMs;
      this.#reached(
        partition,
        newestMs,
        Math.min(answeredAtMs, Math.max(earliestMs, recordedAtMs)),
      );
      acceptanceClock.resumeAfter(newestMs);
    });
  }

  #encoded(acceptedAtMs: number): Uint8Array {
    const record: MarkRecord = { kind: "mark", atMs: this.#atMs, acceptedAtMs };
    return encodeStampable(record);
  }
}
