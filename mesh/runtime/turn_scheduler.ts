/**
 * Gives actors their turns: in a microtask, so that a message between two actors of one thread costs no trip through the
 * event loop; after `messagesMax` messages or `msMax` of work through the clock, so that network and timers get theirs.
 */
import type { Clock } from "../ports/clock.ts";
import { RingQueue } from "../../structures/ring_queue.ts";

/** Something with messages to handle. */
export interface Runnable {
  /** It waits for its turn; kept by the scheduler. */
  scheduled: boolean;
  readonly hasWork: boolean;
  /** Handles up to `messagesMax` messages and says how many. */
  run(messagesMax: number): number;
}

export interface TurnSchedulerOptions {
  readonly clock: Clock;
  readonly messagesMax: number;
  readonly msMax: number;
  /** Called at the end of each turn. */
  readonly onTurnEnd: () => void;
}

/** Messages of one actor before the next one's turn. */
const messagesPerActorMax = 64;

export class TurnScheduler {
  readonly #options: TurnSchedulerOptions;
  readonly #ready = new RingQueue<Runnable>();
  #pending = false;
  #handledSinceYield = 0;
  #workedMsSinceYield = 0;

  constructor(options: TurnSchedulerOptions) {
    this.#options = options;
  }

  /** A turn will come by itself. */
  get pending(): boolean {
    return this.#pending;
  }

  ready(runnable: Runnable): void {
    if (runnable.scheduled) return;
    runnable.scheduled = true;
    this.#ready.push(runnable);
    this.#wake();
  }

  #wake(): void {
    if (this.#pending) return;
    this.#pending = true;
    const { clock, messagesMax, msMax } = this.#options;
    if (this.#handledSinceYield < messagesMax && this.#workedMsSinceYield < msMax) {
      queueMicrotask(this.#turn);
      return;
    }
    this.#handledSinceYield = 0;
    this.#workedMsSinceYield = 0;
    clock.schedule(0, this.#turn);
  }

  #turn = (): void => {
    const { clock, messagesMax, msMax, onTurnEnd } = this.#options;
    const beganMs = clock.monotonicMs();
    const handledMax = messagesMax - this.#handledSinceYield;
    const workedMsMax = msMax - this.#workedMsSinceYield;
    let handled = 0;
    let workedMs = 0;
    while (handled < handledMax && workedMs < workedMsMax) {
      const runnable = this.#ready.shift();
      if (!runnable) break;
      handled += runnable.run(messagesPerActorMax);
      if (runnable.hasWork) this.#ready.push(runnable);
      else runnable.scheduled = false;
      if (this.#ready.length > 0) workedMs = clock.monotonicMs() - beganMs;
    }
    this.#handledSinceYield += handled;
    this.#workedMsSinceYield += clock.monotonicMs() - beganMs;
    this.#pending = false;
    onTurnEnd();
    if (this.#ready.length > 0) this.#wake();
  };
}
