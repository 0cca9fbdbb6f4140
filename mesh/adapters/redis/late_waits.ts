/**
 * Waits of one length: a callback for each wait that has not ended in time, with one timer for all.
 * A ranking has several such waits, and making and clearing a timer for each costs 5 us.
 */
import type { Clock, Timer } from "../../ports/clock.ts";
import { DenoClock } from "../deno/deno_clock.ts";

/** A wait under way. */
export interface LateWait {
  readonly untilMs: number;
  /** Undefined after the wait has ended. */
  late: (() => void) | undefined;
}

/** Ended waits at the beginning of the list before it is copied without them. */
const COMPACT_AT = 1_024;

export class LateWaits {
  readonly #ms: number;
  /** Waits by their end, from `#first` on. */
  #waits: LateWait[] = [];
  #first = 0;
  readonly #clock: Clock;
  #timer: Timer | undefined;

  /** @param ms Length of each wait, ms. */
  constructor(ms: number, clock: Clock = new DenoClock()) {
    this.#ms = ms;
    this.#clock = clock;
  }

  /** Begins a wait; `late` is called at its end, unless {@link LateWaits.end} came before. */
  begin(late: () => void): LateWait {
    const wait: LateWait = { untilMs: this.#clock.monotonicMs() + this.#ms, late };
    this.#waits.push(wait);
    this.#timer ??= this.#clock.schedule(this.#ms, () => this.#pass());
    return wait;
  }

  /** Ends a wait. Idempotent. */
  end(wait: LateWait): void {
    wait.late = undefined;
    while (this.#first < this.#waits.length && this.#waits[this.#first].late === undefined) {
      this.#first++;
    }
    if (this.#first < this.#waits.length) {
      if (this.#first >= COMPACT_AT) {
        this.#waits = this.#waits.slice(this.#first);
        this.#first = 0;
      }
      return;
    }
    this.#waits.length = 0;
    this.#first = 0;
  }

  /** Stops the timer; waits under way are not called late. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waits.length = 0;
    this.#first = 0;
  }

  #pass(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    while (this.#first < this.#waits.length) {
      const wait = this.#waits[this.#first];
      if (wait.late !== undefined && wait.untilMs > nowMs) break;
      const { late } = wait;
      this.end(wait);
      late?.();
    }
    if (this.#first >= this.#waits.length) return;
    const leftMs = this.#waits[this.#first].untilMs - nowMs;
    this.#timer ??= this.#clock.schedule(leftMs, () => this.#pass());
  }
}
