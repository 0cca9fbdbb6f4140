/**
 * Time that passes only when a test or the simulation advances it.
 *
 * `advance` runs due events in the order of (time, sequence). After each event it runs all promises
 * that the event resolved. Work that is neither an event nor a message (inference in another
 * thread) is waited for as well, with the clock standing still, if it is reported through
 * {@link VirtualClock.addOutsideWork}.
 *
 * Events run in one synchronous loop, started from the event loop: there the engine can run its
 * queue of microtasks on demand, which costs a tenth of a turn of the event loop.
 */
import type { Clock, Timer } from "../ports/clock.ts";
import { EventHeap, type HeapEvent } from "./event_heap.ts";
import { microtaskRunner } from "./microtask_runner.ts";

/**
 * Events that run before the event loop gets a turn, so that signals and real timers are served.
 */
const EVENTS_PER_TURN = 1_024;
/** Events at one virtual instant before the run counts as a loop without delay. */
const EVENTS_PER_INSTANT_MAX = 1_000_000;

export interface VirtualClockOptions {
  /** Wall time at the beginning, ms since the Unix epoch. Default: the beginning of 2026. */
  readonly startMs?: number;
  /**
   * Turns of the event loop for which work outside is waited for before the run counts as stuck.
   * 0 where no such work exists. Default 2,000,000, a few seconds.
   */
  readonly outsideTurnsMax?: number;
}

/** Work that no event will end. */
export interface OutsideWork {
  /** Pieces of work in progress. */
  readonly inProgress: () => number;
  /** Names the work in the error of a run that is stuck. */
  readonly describe?: () => readonly string[];
}

/** A run of {@link VirtualClock.advance} under way. */
interface Advance {
  readonly untilMs: number;
  readonly condition: () => boolean;
}

export class VirtualClock implements Clock {
  readonly #events = new EventHeap();
  readonly #outsideWork: OutsideWork[] = [];
  readonly #outsideTurnsMax: number;
  #elapsedMs = 0;
  #wallOffsetMs: number;
  #sequence = 0;
  #advancing = false;
  #delays = 0;
  #eventsRun = 0;
  #eventsAtInstant = 0;

  constructor(options: VirtualClockOptions = {}) {
    this.#wallOffsetMs = options.startMs ?? Date.UTC(2026, 0, 1);
    this.#outsideTurnsMax = options.outsideTurnsMax ?? 2_000_000;
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

  /** Events that wait. */
  get pending(): number {
    return this.#events.length;
  }

  /** Events that have run. */
  get eventsRun(): number {
    return this.#eventsRun;
  }

  /** Steps wall time by `ms`, which may be negative. Durations and timers are not affected. */
  stepWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Adds a report of work that no event will end; `advance` waits while work is in progress. */
  addOutsideWork(work: OutsideWork): void {
    this.#outsideWork.push(work);
  }

  /**
   * Resolves after `ms` of virtual time: the latency of simulated storage. A handler that awaits it
   * does not count as work outside.
   */
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
    await this.#advanceUntil({ untilMs: this.#elapsedMs + ms, condition: () => false });
  }

  /**
   * Lets time pass until `condition` holds.
   *
   * @throws {Error} When it does not within `msMax` of virtual time.
   */
  async advanceUntil(condition: () => boolean, msMax = 60_000): Promise<void> {
    const held = await this.#advanceUntil({ untilMs: this.#elapsedMs + msMax, condition });
    if (!held) {
      throw new Error(`The condition did not hold within ${msMax} virtual ms: ${condition}`);
    }
  }

  /** Lets time pass until the promise settles, and returns its value or throws its error. */
  async settle<T>(promise: Promise<T>, msMax = 60_000): Promise<T> {
    let settled = false;
    const note = () => {
      settled = true;
    };
    promise.then(note, note);
    await this.advanceUntil(() => settled, msMax);
    return await promise;
  }

  #advanceUntil(advance: Advance): Promise<boolean> {
    if (this.#advancing) {
      return Promise.reject(new Error("advance is running already: await it first"));
    }
    this.#advancing = true;
    return new Promise<boolean>((resolve, reject) => {
      let outsideTurns = 0;
      const turn = () => {
        try {
          const result = this.#turn(advance);
          if (typeof result === "boolean") {
            this.#advancing = false;
            resolve(result);
            return;
          }
          outsideTurns = result === "outside" ? outsideTurns + 1 : 0;
          if (outsideTurns > this.#outsideTurnsMax) throw this.#stuck();
          nextLoopTurn(turn);
        } catch (error) {
          this.#advancing = false;
          reject(error);
        }
      };
      nextLoopTurn(turn);
    });
  }

  /**
   * Runs events, called from the event loop.
   *
   * @returns Whether the condition holds at the end; or why the event loop needs a turn first.
   */
  #turn({ untilMs, condition }: Advance): boolean | "outside" | "yield" {
    const runMicrotasks = microtaskRunner();
    for (let events = 0;; events++) {
      runMicrotasks?.();
      if (this.#waitsForOutsideWork()) return "outside";
      if (condition()) return true;
      if (events === EVENTS_PER_TURN || (events > 0 && runMicrotasks === undefined)) return "yield";
      const next = this.#events.peek();
      if (!next || next.atMs > untilMs) break;
      this.#run(next);
    }
    this.#elapsedMs = Math.max(this.#elapsedMs, untilMs);
    return condition();
  }

  #run(event: HeapEvent): void {
    this.#events.pop();
    event.cancelled = true;
    this.#eventsRun++;
    this.#eventsAtInstant = event.atMs === this.#elapsedMs ? this.#eventsAtInstant + 1 : 0;
    if (this.#eventsAtInstant > EVENTS_PER_INSTANT_MAX) {
      throw new Error(
        `More than ${EVENTS_PER_INSTANT_MAX} events ran at ${this.#elapsedMs} ms: timers without delay follow each other for ever.`,
      );
    }
    this.#elapsedMs = event.atMs;
    event.callback();
  }

  #waitsForOutsideWork(): boolean {
    let total = 0;
    for (const { inProgress } of this.#outsideWork) total += inProgress();
    return total > this.#delays;
  }

  #stuck(): Error {
    const names = this.#outsideWork.flatMap(({ describe }) => describe?.() ?? []);
    return new Error(
      `The run is stuck at ${this.#elapsedMs} ms: no message, timer or work outside ends the wait of ${
        names.length === 0 ? "some work" : names.join(", ")
      }.`,
    );
  }
}

/**
 * Runs a callback from the event loop, after all microtasks. Taken at the start, because a
 * simulation bans the global.
 */
// deno-lint-ignore cairn/no-ambient-timers -- returns to the event loop; measures no time
const nextLoopTurn: (callback: () => void) => void = setImmediate;
