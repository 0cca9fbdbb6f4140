/**
 * Time that moves only when it is told to.
 *
 * `advance` runs what is due in the order of (time, sequence) and, after each event, lets every promise that the event
 * resolved run to its end. Work that belongs to neither clock nor messages (inference in a thread of its own) is waited
 * for too, with the clock standing still, as long as somebody reports it through {@link VirtualClock.addOutsideWork}.
 */
import type { Clock, Timer } from "../ports/clock.ts";
import { EventHeap, type HeapEvent } from "./event_heap.ts";

/** Turns of the real event loop that work outside may take before the run is called stuck. */
const outsideTurnsMax = 2_000_000;

export class VirtualClock implements Clock {
  readonly #events = new EventHeap();
  readonly #outsideWork: (() => number)[] = [];
  #elapsedMs = 0;
  #wallOffsetMs: number;
  #sequence = 0;
  #advancing = false;
  #delays = 0;

  /** @param startMs Wall time at the beginning, ms since the Unix epoch. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#wallOffsetMs = startMs;
  }

  nowMs(): number {
    return this.#wallOffsetMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    if (!(delayMs >= 0)) throw new RangeError(`schedule: delayMs is ${delayMs}, expected ≥ 0`);
    const event: HeapEvent = {
      atMs: this.#elapsedMs + delayMs,
      sequence: this.#sequence++,
      callback,
      cancelled: false,
    };
    this.#events.push(event);
    return {
      cancel: () => {
        // An event that has run is marked too, so that the heap never counts it as waiting.
        if (!event.cancelled) this.#events.cancel(event);
      },
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#events.length;
  }

  /** Steps wall time by `ms`, which may be negative; durations and timers do not notice. */
  stepWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Reports work in progress that no timer or message will end; `advance` waits until all report 0. */
  addOutsideWork(inProgress: () => number): void {
    this.#outsideWork.push(inProgress);
  }

  /** Resolves after `ms` of virtual time: how simulated storage takes its time. Whoever awaits it waits inside. */
  delay(ms: number): Promise<void> {
    this.#delays++;
    return new Promise((resolve) => {
      this.schedule(ms, () => {
        this.#delays--;
        resolve();
      });
    });
  }

  /** Lets `ms` pass. */
  async advance(ms: number): Promise<void> {
    await this.#advanceUntil(this.#elapsedMs + ms, () => false);
  }

  /**
   * Lets time pass until `condition` holds.
   *
   * @throws {Error} When it does not within `msMax` of virtual time.
   */
  async advanceUntil(condition: () => boolean, msMax = 60_000): Promise<void> {
    const held = await this.#advanceUntil(this.#elapsedMs + msMax, condition);
    if (!held) {
      throw new Error(`The condition did not hold within ${msMax} virtual ms: ${condition}`);
    }
  }

  /** Lets time pass until the promise settles, and gives its outcome. */
  async settle<T>(promise: Promise<T>, msMax = 60_000): Promise<T> {
    let settled = false;
    const note = () => {
      settled = true;
    };
    promise.then(note, note);
    await this.advanceUntil(() => settled, msMax);
    return await promise;
  }

  async #advanceUntil(untilMs: number, condition: () => boolean): Promise<boolean> {
    if (this.#advancing) throw new Error("advance is running already: await it first");
    this.#advancing = true;
    try {
      await this.#drain();
      for (;;) {
        if (condition()) return true;
        const next = this.#events.peek();
        if (!next || next.atMs > untilMs) break;
        this.#events.pop();
        next.cancelled = true;
        this.#elapsedMs = next.atMs;
        next.callback();
        await this.#drain();
      }
      this.#elapsedMs = untilMs;
      return condition();
    } finally {
      this.#advancing = false;
    }
  }

  /** Runs all promises that can run, then waits for work outside. */
  async #drain(): Promise<void> {
    await nextLoopTurn();
    for (let turns = 0; this.#outsideWorkInProgress() > this.#delays; turns++) {
      if (turns >= outsideTurnsMax) {
        throw new Error(
          "A handler waits for something that neither a message, a timer nor work outside will bring: the run is stuck.",
        );
      }
      await nextLoopTurn();
    }
  }

  #outsideWorkInProgress(): number {
    let total = 0;
    for (const inProgress of this.#outsideWork) total += inProgress();
    return total;
  }
}

/** After all microtasks: `setImmediate` is the one thing that the virtual world takes from the real one. */
function nextLoopTurn(): Promise<void> {
  // deno-lint-ignore cairn/no-ambient-timers -- drains microtasks; no duration is read or waited for
  return new Promise((resolve) => setImmediate(resolve));
}
