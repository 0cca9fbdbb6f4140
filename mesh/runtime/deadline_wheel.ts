/**
 * The deadlines of all asks of a node, without a timer for each: a hashed wheel of intrusive lists,
 * so that adding and removing cost a few pointer writes, and one clock timer for the earliest list
 * that is not empty.
 *
 * An ask that is answered in time, the usual case, never causes a timer to be made or cancelled. A
 * deadline is noticed up to `tickMs` late.
 *
 * @see Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987 (scheme 6)
 */
import { invariant } from "../../structures/invariant.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Ask } from "./ask.ts";

const LIST_COUNT = 1024;

export class DeadlineWheel {
  readonly #clock: Clock;
  readonly #expire: (ask: Ask) => void;
  readonly #tickMs: number;
  /**
   * The newest ask of each list; an ask's list is its deadline's tick modulo the number of lists.
   */
  readonly #lists = new Array<Ask | undefined>(LIST_COUNT).fill(undefined);
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

  /** Asks in the wheel. */
  get length(): number {
    return this.#count;
  }

  add(ask: Ask): void {
    invariant(ask.wheelIndex < 0, "an ask is added to the wheel once");
    if (this.#count === 0) this.#tick = Math.floor(ask.sentAtMs / this.#tickMs);
    const tick = Math.max(this.#tickOf(ask), this.#tick + 1);
    const index = tick & (LIST_COUNT - 1);
    const first = this.#lists[index];
    ask.wheelIndex = index;
    ask.wheelNext = first;
    if (first) first.wheelPrevious = ask;
    this.#lists[index] = ask;
    this.#count++;
    if (tick < this.#timerTick) this.#arm(Math.min(tick, this.#tick + LIST_COUNT));
  }

  /** Removes an ask; does nothing when it is not in the wheel. */
  remove(ask: Ask): void {
    if (ask.wheelIndex < 0) return;
    const { wheelNext: next, wheelPrevious: previous } = ask;
    if (next) next.wheelPrevious = previous;
    if (previous) previous.wheelNext = next;
    else {
      invariant(
        this.#lists[ask.wheelIndex] === ask,
        "an ask without a previous one is its list's first",
      );
      this.#lists[ask.wheelIndex] = next;
    }
    ask.wheelIndex = -1;
    ask.wheelNext = ask.wheelPrevious = undefined;
    this.#count--;
  }

  /**
   * Asks that satisfy the condition. Visits all of them: for rare events, such as the end of an
   * incarnation.
   */
  filter(condition: (ask: Ask) => boolean): Ask[] {
    const found: Ask[] = [];
    for (const first of this.#lists) {
      for (let ask = first; ask; ask = ask.wheelNext) if (condition(ask)) found.push(ask);
    }
    return found;
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
    const last = Math.min(now, this.#tick + LIST_COUNT);
    while (this.#tick < last) this.#sweep(++this.#tick & (LIST_COUNT - 1), now, expired);
    this.#tick = Math.max(this.#tick, now);
    if (this.#count > 0) this.#arm(this.#nextTick());
    // A list is newest first. Expiring the oldest first lets an asker's error name the actor that
    // it waits for, whose own ask expires later.
    expired.reverse().sort((a, b) => a.deadlineMs - b.deadlineMs);
    for (const ask of expired) this.#expire(ask);
  };

  #sweep(index: number, now: number, expired: Ask[]): void {
    for (let ask = this.#lists[index]; ask;) {
      const next = ask.wheelNext;
      if (this.#tickOf(ask) <= now) {
        this.remove(ask);
        expired.push(ask);
      }
      ask = next;
    }
  }

  #nextTick(): number {
    for (let ahead = 1; ahead <= LIST_COUNT; ahead++) {
      if (this.#lists[(this.#tick + ahead) & (LIST_COUNT - 1)]) return this.#tick + ahead;
    }
    return this.#tick + LIST_COUNT;
  }
}
