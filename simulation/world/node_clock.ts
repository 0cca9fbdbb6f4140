/**
 * A thread's clock in a simulated world: virtual time that can be stalled, and revoked when the
 * process dies. As in production, its monotonic time differs from that of any other thread.
 */
import type { Clock, Timer } from "../../mesh/ports/clock.ts";
import type { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";

/** A callback that became due while its thread stood still. */
interface Held {
  readonly callback: () => void;
  cancelled: boolean;
}

/** Virtual time as one thread of one incarnation of the process sees it. */
export class NodeClock implements Clock {
  readonly #base: VirtualClock;
  readonly #callbackRan: () => void;
  readonly #aheadMs: () => number;
  readonly #originMs: number;
  readonly #held: Held[] = [];
  #stalledUntilMs = 0;
  /** Time of all stalls that have begun, ms. */
  #stallsMs = 0;
  #revoked = false;

  /**
   * @param callbackRan Told of each callback, which is an event of the run.
   * @param aheadMs By how much the machine's wall clock is ahead of `base`, ms.
   * @param originMs Monotonic time at the beginning of `base`, ms. It is not negative: then a time
   * is at most as precise as in `base`, so that waiting until a time comes to its end.
   */
  constructor(
    base: VirtualClock,
    callbackRan: () => void,
    aheadMs: () => number = () => 0,
    originMs = 0,
  ) {
    this.#base = base;
    this.#callbackRan = callbackRan;
    this.#aheadMs = aheadMs;
    this.#originMs = originMs;
  }

  nowMs(): number {
    return this.#base.nowMs() + this.#aheadMs();
  }

  monotonicMs(): number {
    return this.#base.monotonicMs() + this.#originMs;
  }

  /**
   * A callback that is due during a stall runs at its end, in the order in which callbacks became
   * due.
   */
  schedule(delayMs: number, callback: () => void): Timer {
    const held: Held = { callback, cancelled: false };
    const timer = this.#base.schedule(delayMs, () => this.#due(held));
    return {
      cancel: () => {
        held.cancelled = true;
        timer.cancel();
      },
    };
  }

  /** The thread does nothing for this long. A longer stall under way goes on. */
  stall(forMs: number): void {
    const untilMs = this.#base.monotonicMs() + forMs;
    if (untilMs <= this.#stalledUntilMs) return;
    this.#stallsMs += untilMs - Math.max(this.#stalledUntilMs, this.#base.monotonicMs());
    this.#stalledUntilMs = untilMs;
    this.#base.schedule(forMs, () => this.#resume());
  }

  /** Time for which the thread has stood still so far, ms. */
  get stalledMs(): number {
    return this.#stallsMs - Math.max(0, this.#stalledUntilMs - this.#base.monotonicMs());
  }

  /** Ends a stall now. */
  wake(): void {
    this.#stallsMs -= Math.max(0, this.#stalledUntilMs - this.#base.monotonicMs());
    this.#stalledUntilMs = 0;
    this.#resume();
  }

  /** The process is dead: no callback runs any more. */
  revoke(): void {
    this.#revoked = true;
    this.#held.length = 0;
  }

  get revoked(): boolean {
    return this.#revoked;
  }

  #due(held: Held): void {
    if (this.#revoked) return;
    if (this.#stalled || this.#held.length > 0) this.#held.push(held);
    else this.#run(held);
  }

  get #stalled(): boolean {
    return this.#base.monotonicMs() < this.#stalledUntilMs;
  }

  #resume(): void {
    while (this.#held.length > 0 && !this.#stalled && !this.#revoked) {
      const held = this.#held.shift();
      if (held !== undefined && !held.cancelled) this.#run(held);
    }
  }

  #run({ callback }: Held): void {
    this.#callbackRan();
    callback();
  }
}
