/**
 * Deadlines of all asks of a node, without a timer for each: a hashed wheel of intrusive lists, so that adding and
 * removing cost a few pointer writes, and one clock timer for the earliest slot that holds anything.
 *
 * An ask whose answer comes in time, the usual case, never causes a timer to be made or cancelled. A deadline is
 * noticed up to `tickMs` late.
 *
 * @see Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987 (scheme 6)
 */
import type { Clock, Timer } from "../ports/clock.ts";
import type { Ask } from "./ask.ts";

const slotCount = 1024;

export class DeadlineWheel {
  readonly #clock: Clock;
  readonly #expire: (ask: Ask) => void;
  readonly #tickMs: number;
  readonly #slots = new Array<Ask | undefined>(slotCount).fill(undefined);
  /** Ticks since the clock's origin up to which all deadlines were noticed. */
  #tick: number;
  #count = 0;
  #timer: Timer | undefined;
  #timerTick = Infinity;

  constructor(clock: Clock, expire: (ask: Ask) => void, tickMs = 4) {
    this.#clock = clock;
    this.#expire = expire;
    this.#tickMs = tickMs;
    this.#tick = Math.floor(clock.monotonicMs() / tickMs);
  }

  get length(): number {
    return this.#count;
  }

  add(ask: Ask): void {
    if (this.#count === 0) this.#tick = Math.floor(ask.sentAtMs / this.#tickMs);
    const tick = Math.max(this.#tickOf(ask), this.#tick + 1);
    const slot = tick & (slotCount - 1);
    const first = this.#slots[slot];
    ask.wheelSlot = slot;
    ask.wheelNext = first;
    if (first) first.wheelPrevious = ask;
    this.#slots[slot] = ask;
    this.#count++;
    if (tick < this.#timerTick) this.#arm(Math.min(tick, this.#tick + slotCount));
  }

  remove(ask: Ask): void {
    if (ask.wheelSlot < 0) return;
    const { wheelNext: next, wheelPrevious: previous } = ask;
    if (next) next.wheelPrevious = previous;
    if (previous) previous.wheelNext = next;
    else this.#slots[ask.wheelSlot] = next;
    ask.wheelSlot = -1;
    ask.wheelNext = ask.wheelPrevious = undefined;
    this.#count--;
  }

  /** Cancels the timer; deadlines are noticed no more. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerTick = Infinity;
  }

  /** The first tick at whose beginning the deadline has passed. */
  #tickOf(ask: Ask): number {
    return Math.ceil(ask.deadlineMs / this.#tickMs);
  }

  #arm(tick: number): void {
    this.#timer?.cancel();
    this.#timerTick = tick;
    const delayMs = tick * this.#tickMs - this.#clock.monotonicMs();
    this.#timer = this.#clock.schedule(Math.max(0, delayMs), this.#onTimer);
  }

  #onTimer = (): void => {
    this.#timer = undefined;
    this.#timerTick = Infinity;
    const now = Math.floor(this.#clock.monotonicMs() / this.#tickMs);
    const expired: Ask[] = [];
    const last = Math.min(now, this.#tick + slotCount);
    while (this.#tick < last) this.#sweep(++this.#tick & (slotCount - 1), now, expired);
    this.#tick = Math.max(this.#tick, now);
    if (this.#count > 0) this.#arm(this.#nextTick());
    // A slot is a stack. Oldest first, so that an asker reports while those whom it asked still count as waited for.
    expired.reverse().sort((a, b) => a.deadlineMs - b.deadlineMs);
    for (const ask of expired) this.#expire(ask);
  };

  #sweep(slot: number, now: number, expired: Ask[]): void {
    for (let ask = this.#slots[slot]; ask;) {
      const next = ask.wheelNext;
      if (this.#tickOf(ask) <= now) {
        this.remove(ask);
        expired.push(ask);
      }
      ask = next;
    }
  }

  #nextTick(): number {
    for (let ahead = 1; ahead <= slotCount; ahead++) {
      if (this.#slots[(this.#tick + ahead) & (slotCount - 1)]) return this.#tick + ahead;
    }
    return this.#tick + slotCount;
  }
}
