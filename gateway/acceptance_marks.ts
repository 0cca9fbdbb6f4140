/**
 * Tells the partitions of the event log that no event of an earlier acceptance time comes any more.
 *
 * Freshness is the minimum over all partitions, and a partition without new events would hold it.
 * So a short time after an event, each partition that has none since gets a mark: a record with the
 * next acceptance time. It also carries the data clock on, so that windows end there.
 */
import type { Clock, Timer } from "../mesh/ports/clock.ts";
import { type EventLog, isRefusal } from "../mesh/ports/event_log.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import { encodeStampable, type MarkRecord } from "../records/event_record.ts";
import type { AcceptanceClock } from "./memory/acceptance_clock.ts";

/** Time after an event until the other partitions are marked, ms. */
const MARK_MS = 100;
/** Pause before a log that refused marks is tried again, ms. */
const REFUSED_RETRY_MS = 1_000;

export interface AcceptanceMarksParts {
  readonly eventLog: EventLog;
  readonly acceptanceClock: AcceptanceClock;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

export class AcceptanceMarks {
  readonly #parts: AcceptanceMarksParts;
  /** By partition, the acceptance time of the newest event or mark of this gateway. */
  readonly #marked: Float64Array;
  /** Acceptance time of the newest event, ms. */
  #acceptedAtMs = 0;
  /** Newest time of an event or a ranking, on the data clock, ms. */
  #atMs = 0;
  #timer: Timer | undefined;
  #marking: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: AcceptanceMarksParts) {
    this.#parts = parts;
    this.#marked = new Float64Array(parts.eventLog.partitions);
  }

  /** Marks all partitions of a log that holds events: a stop may have come before their marks. */
  start(): void {
    this.#acceptedAtMs = Math.max(this.#acceptedAtMs, this.#parts.acceptanceClock.lastMs);
    this.#markLater(MARK_MS);
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
    this.#marked[partition] = Math.max(this.#marked[partition], acceptedAtMs);
    this.#acceptedAtMs = Math.max(this.#acceptedAtMs, acceptedAtMs);
    this.ranked(atMs);
    this.#markLater(MARK_MS);
  }

  /** Resolves when no mark is being appended any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#marking;
  }

  get #behind(): number[] {
    return [...this.#marked.keys()].filter((partition) =>
      this.#marked[partition] < this.#acceptedAtMs
    );
  }

  #markLater(delayMs: number): void {
    if (this.#stopped || this.#timer !== undefined || this.#marking !== undefined) return;
    if (this.#behind.length === 0) return;
    this.#timer = this.#parts.clock.schedule(delayMs, () => {
      this.#timer = undefined;
      this.#marking = this.#markAll().finally(() => this.#marking = undefined).then((isMarked) =>
        this.#markLater(isMarked ? MARK_MS : REFUSED_RETRY_MS)
      );
    });
  }

  /** Marks the partitions that are behind; false where the log refuses one of them. */
  async #markAll(): Promise<boolean> {
    const outcomes = await Promise.allSettled(this.#behind.map((each) => this.#mark(each)));
    const failures = outcomes.flatMap((each) => each.status === "rejected" ? [each.reason] : []);
    const cause = failures.find((error) => !isRefusal(error));
    if (cause !== undefined) {
      this.#parts.telemetry.log("warn", "cannot mark partitions of the event log", { cause });
    }
    return failures.length === 0;
  }

  async #mark(partition: number): Promise<void> {
    const { eventLog, acceptanceClock } = this.#parts;
    const acceptedAtMs = acceptanceClock.nextMs();
    const record: MarkRecord = { kind: "mark", atMs: this.#atMs, acceptedAtMs };
    const bytes = encodeStampable(record);
    let markedMs = acceptedAtMs;
    if (eventLog.appendOnce === undefined) await eventLog.append(partition, [bytes], "written");
    else {
      const once = { bytes, content: "", acceptedAtMs, endsWithTime: true };
      const [outcome] = await eventLog.appendOnce(partition, [once]);
      markedMs = outcome.acceptedAtMs;
      acceptanceClock.resumeAfter(markedMs);
    }
    this.#marked[partition] = Math.max(this.#marked[partition], markedMs);
  }
}
