/**
 * The times by which bodies must be complete. All requests have the same budget, so deadlines pass
 * in the order in which they were added, and one timer for the oldest serves all bodies.
 */
import { RingQueue } from "../../structures/ring_queue.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import { ProblemError } from "../problems.ts";

/** The deadline of one body. */
export class BodyDeadline {
  /** Monotonic ms. */
  readonly atMs: number;
  readonly #passed = Promise.withResolvers<never>();
  #isCancelled = false;

  constructor(atMs: number) {
    this.atMs = atMs;
  }

  /** Rejects with the problem `body-timeout` when the deadline passes; never resolves. */
  get passed(): Promise<never> {
    return this.#passed.promise;
  }

  /** The body was read or given up. */
  cancel(): void {
    this.#isCancelled = true;
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  pass(): void {
    this.#passed.reject(
      new ProblemError(
        "body-timeout",
        "The body was not complete when the time for the request (gateway.deadline) was over.",
      ),
    );
  }
}

export class BodyDeadlines {
  readonly #clock: Clock;
  /** In the order in which they pass. */
  readonly #waiting = new RingQueue<BodyDeadline>();
  #isTimerSet = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param atMs Monotonic ms, not before that of an earlier call. */
  add(atMs: number): BodyDeadline {
    const deadline = new BodyDeadline(atMs);
    this.#dropCancelled();
    this.#waiting.push(deadline);
    if (!this.#isTimerSet) this.#setTimer(atMs);
    return deadline;
  }

  #dropCancelled(): void {
    while (this.#waiting.peek()?.isCancelled) this.#waiting.shift();
  }

  #setTimer(atMs: number): void {
    this.#isTimerSet = true;
    const leftMs = Math.max(0, atMs - this.#clock.monotonicMs());
    this.#clock.schedule(leftMs, () => this.#pass());
  }

  /** Passes the deadlines that are due, and sets the timer for the next one. */
  #pass(): void {
    this.#isTimerSet = false;
    const nowMs = this.#clock.monotonicMs();
    for (;;) {
      this.#dropCancelled();
      const oldest = this.#waiting.peek();
      if (oldest === undefined) return;
      if (oldest.atMs > nowMs) return this.#setTimer(oldest.atMs);
      this.#waiting.shift();
      oldest.pass();
    }
  }
}
