/**
 * Runs the mailbox loops of a node's actors. A turn runs in a microtask, so that a message between
 * two actors of one thread costs no trip through the event loop. After `messagesMax` messages or
 * `msMax` of work the next turn is scheduled on the clock, so that network and timers are served.
 */
import { RingQueue } from "../../structures/ring_queue.ts";
import type { Clock } from "../ports/clock.ts";

/** An actor with messages to handle. */
export interface Runnable {
  /** It waits for its turn. Written by the scheduler. */
  scheduled: boolean;
  readonly hasWork: boolean;
  /** Handles up to `messagesMax` messages; returns how many. */
  run(messagesMax: number): number;
}

/** Actors that wait for their turn, in the order in which they get it. */
export interface TurnQueue {
  readonly length: number;
  push(runnable: Runnable): void;
  /** Takes the next one; undefined when there is none. */
  shift(): Runnable | undefined;
}

export interface TurnSchedulerOptions {
  readonly clock: Clock;
  /** Messages handled before the event loop gets its turn. */
  readonly messagesMax: number;
  /** Work, ms, before the event loop gets its turn. */
  readonly msMax: number;
  /** Called at the end of each turn. */
  readonly onTurnEnd: () => void;
  /** Default: first come, first served. */
  readonly queue?: TurnQueue;
}

/** Messages that one actor handles before the next actor's turn. */
const MESSAGES_PER_ACTOR_MAX = 64;

export class TurnScheduler {
  readonly #options: TurnSchedulerOptions;
  readonly #ready: TurnQueue;
  #pending = false;
  #handledSinceYield = 0;
  #workedMsSinceYield = 0;

  constructor(options: TurnSchedulerOptions) {
    this.#options = options;
    this.#ready = options.queue ?? new RingQueue<Runnable>();
  }

  /** A turn is scheduled. */
  get pending(): boolean {
    return this.#pending;
  }

  /** Gives the actor turns until it has no work. */
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
      handled += runnable.run(MESSAGES_PER_ACTOR_MAX);
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
