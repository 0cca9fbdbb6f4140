/**
 * The data clock: the newest event time seen, which never goes back. Windows are measured on it, so
 * that data read again, or replayed from another day, behaves as it did.
 */
import type { EventRecord } from "../../records/event_record.ts";
import { invariant } from "../../structures/invariant.ts";

/** Where a clock starts. */
export interface ClockStart {
  /** Data time before the first record, ms. */
  readonly clockMs: number;
  /**
   * The latest wall time that any host may show, ms, and the end of the log then: no record before
   * the end was accepted later. Infinity leaves the times of the log as they are.
   */
  readonly wallMs: number;
  readonly endOffset: number;
}

type Times = Pick<EventRecord, "atMs" | "acceptedAtMs">;

export class DataClock {
  readonly #skewMsMax: number;
  readonly #start: ClockStart;
  #nowMs: number;

  /** @param skewMsMax Longest time by which an event may be ahead of its acceptance, ms. */
  constructor(skewMsMax: number, start: ClockStart) {
    this.#skewMsMax = skewMsMax;
    this.#start = start;
    this.#nowMs = Math.min(start.clockMs, start.wallMs + skewMsMax);
  }

  /** Newest data time seen, ms. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /**
   * Moves the clock to a record's time. An event from the future (a broken clock, a forged
   * timestamp) moves it only to its acceptance plus `skewMsMax`, so that one client cannot end the
   * windows of all others. The acceptance itself is from the future if this machine's clock was
   * ahead for a while: then the wall time of the start is the limit.
   */
  observe(record: Times, offset: number): void {
    const nowMs = Math.max(this.#nowMs, Math.min(record.atMs, this.#limitMs(record, offset)));
    invariant(nowMs >= this.#nowMs, "the data clock never goes back");
    this.#nowMs = nowMs;
  }

  /** Whether the record's time is beyond the limit. */
  isAhead(record: Times, offset: number): boolean {
    return record.atMs > this.#limitMs(record, offset);
  }

  #limitMs({ acceptedAtMs }: Times, offset: number): number {
    const { endOffset, wallMs } = this.#start;
    return (offset < endOffset ? Math.min(acceptedAtMs, wallMs) : acceptedAtMs) + this.#skewMsMax;
  }
}
