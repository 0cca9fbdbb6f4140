/**
 * The times by which bodies must be complete. All requests have the same budget, so deadlines pass
 * in the order in which they were added, and one timer for the oldest serves all bodies.
 *
 * Time in which the process did not run (stopped, paused with its machine, collecting garbage) is
 * not counted: a body that arrived meanwhile could not be read. Such a stop is seen by a timer that
 * fires late, so while bodies are awaited there is a timer at least every {@link LOOK_MS}.
 */
import { present } from "../../structures/invariant.ts";
import { RingQueue } from "../../structures/ring_queue.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import { ProblemError } from "../problems.ts";

/**
 * Longest time between two looks while a body is awaited, ms. A look that is late by more than this
 * shows a stop, and the time since the look before is not counted.
 */
const LOOK_MS = 250;

/** The deadline of one body. */
export class BodyDeadline {
  /** Monotonic ms, minus the stops before it was added. */
  readonly atRunningMs: number;
  /** Undefined once it is cancelled: a race with it keeps the body, which need not wait here. */
  #passed: PromiseWithResolvers<never> | undefined = Promise.withResolvers<never>();

  constructor(atRunningMs: number) {
    this.atRunningMs = atRunningMs;
  }

  /** Rejects with the problem `body-timeout` when the deadline passes; never resolves. */
  get passed(): Promise<never> {
    return present(this.#passed, "the deadline is not cancelled").promise;
  }

  /** The body was read or given up. */
  cancel(): void {
    this.#passed = undefined;
  }

  get isCancelled(): boolean {
    return this.#passed === undefined;
  }

  pass(): void {
    this.#passed?.reject(
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
  /** The timer that is set, monotonic ms. Both times are now when a stop was seen. */
  #timer: { readonly setAtMs: number; readonly dueAtMs: number } | undefined;
  /** Sum of the stops seen, ms. */
  #stoppedMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param atMs Monotonic ms, not before that of an earlier call. */
  add(atMs: number): BodyDeadline {
    const nowMs = this.#observe();
    const deadline = new BodyDeadline(atMs - this.#stoppedMs);
    this.#dropCancelled();
    this.#waiting.push(deadline);
    if (this.#timer === undefined) this.#setTimer(deadline, nowMs);
    return deadline;
  }

  /** When the deadline passes if the process is stopped no more, monotonic ms. */
  atMs({ atRunningMs }: BodyDeadline): number {
    this.#observe();
    return atRunningMs + this.#stoppedMs;
  }

  /** Counts a stop that the timer shows; returns the monotonic time, ms. */
  #observe(): number {
    const nowMs = this.#clock.monotonicMs();
    if (this.#timer !== undefined && nowMs - this.#timer.dueAtMs > LOOK_MS) {
      this.#stoppedMs += nowMs - this.#timer.setAtMs;
      this.#timer = { setAtMs: nowMs, dueAtMs: nowMs };
    }
    return nowMs;
  }

  #dropCancelled(): void {
    while (this.#waiting.peek()?.isCancelled) this.#waiting.shift();
  }

  #setTimer({ atRunningMs }: BodyDeadline, nowMs: number): void {
    const leftMs = atRunningMs + this.#stoppedMs - nowMs;
    const waitMs = Math.min(Math.max(0, leftMs), LOOK_MS);
    this.#timer = { setAtMs: nowMs, dueAtMs: nowMs + waitMs };
    this.#clock.schedule(waitMs, () => this.#look());
  }

  /** Passes the deadlines that are due, and sets the timer for the next one. */
  #look(): void {
    const nowMs = this.#observe();
    this.#timer = undefined;
    for (;;) {
      this.#dropCancelled();
      const oldest = this.#waiting.peek();
      if (oldest === undefined) return;
      if (oldest.atRunningMs + this.#stoppedMs > nowMs) return this.#setTimer(oldest, nowMs);
      this.#waiting.shift();
      oldest.pass();
    }
  }
}
