/**
 * Freshness as a client sees it: how long after an event was posted the first answer came whose
 * scores had learned from it. The gateway stamps each accepted event with `acceptedAtMs`, and each
 * answer says through which stamp it has learned.
 */
import { Samples } from "../../offline/evaluation/samples.ts";

interface WaitingEvent {
  readonly acceptedAtMs: number;
  readonly postedAtMs: number;
}

/** Pairs posted events with the answers that know them. */
export class FreshnessTracker {
  /** By ascending `acceptedAtMs`; the first `#served` are done. */
  #waiting: WaitingEvent[] = [];
  #served = 0;
  #learnedThroughMs = 0;
  readonly #samples = new Samples();

  /** Events that no answer has known yet. */
  get waiting(): number {
    return this.#waiting.length - this.#served;
  }

  /** From posting to the first answer that knew the event, ms, in the order of their coming. */
  get samples(): Samples {
    return this.#samples;
  }

  /**
   * An event was posted at `postedAtMs` (the client's monotonic clock) and accepted under
   * `acceptedAtMs`.
   *
   * @param nowMs When the acceptance was read: an answer that already knew the event came before,
   * and then this is as soon as the client could have told.
   */
  accepted(acceptedAtMs: number, postedAtMs: number, nowMs: number): void {
    if (acceptedAtMs <= this.#learnedThroughMs) {
      this.#samples.add(nowMs - postedAtMs);
      return;
    }
    let at = this.#waiting.length;
    while (at > this.#served && this.#waiting[at - 1].acceptedAtMs > acceptedAtMs) at--;
    this.#waiting.splice(at, 0, { acceptedAtMs, postedAtMs });
  }

  /** An answer that had learned through `learnedThroughMs` was received at `nowMs`. */
  answered(learnedThroughMs: number, nowMs: number): void {
    if (learnedThroughMs <= this.#learnedThroughMs) return;
    this.#learnedThroughMs = learnedThroughMs;
    while (
      this.#served < this.#waiting.length &&
      this.#waiting[this.#served].acceptedAtMs <= learnedThroughMs
    ) {
      this.#samples.add(nowMs - this.#waiting[this.#served++].postedAtMs);
    }
    if (this.#served > 4096) {
      this.#waiting = this.#waiting.slice(this.#served);
      this.#served = 0;
    }
  }
}
