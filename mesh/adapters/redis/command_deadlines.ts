/**
 * The deadlines of the commands that are on the way over a connection, in their order. One timer
 * waits for the oldest; a timer for each command would cost more than many commands do.
 */

/** Shortest time between two checks of the deadlines, as a share of the deadline. */
const LOOK_SHARE = 1 / 8;

export class CommandDeadlines {
  /** On the monotonic clock, ms. */
  readonly #deadlines: number[] = [];
  readonly #pauseMs: number;
  readonly #onOverdue: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When {@link #timer} ends, on the monotonic clock, ms. */
  #dueMs = Infinity;
  /** Deadline that had passed at the last check. */
  #overdueMs = NaN;

  /**
   * @param deadlineMs Time for one command, ms.
   * @param onOverdue Called when the oldest command has waited too long.
   */
  constructor(deadlineMs: number, onOverdue: () => void) {
    this.#pauseMs = LOOK_SHARE * deadlineMs;
    this.#onOverdue = onOverdue;
  }

  /** Commands on the way. */
  get count(): number {
    return this.#deadlines.length;
  }

  /** A command is sent. */
  add(deadlineMs: number): void {
    this.#deadlines.push(deadlineMs);
    // A command that waits at the server may have a later deadline than the ones behind it.
    if (deadlineMs < this.#dueMs) this.#lookAt(deadlineMs);
  }

  /** The oldest command is answered. */
  removeOldest(): void {
    this.#deadlines.shift();
  }

  /** The connection is gone, and all commands with it. */
  clear(): void {
    this.#deadlines.length = 0;
    clearTimeout(this.#timer);
    this.#dueMs = Infinity;
  }

  #lookAt(deadlineMs: number): void {
    clearTimeout(this.#timer);
    const leftMs = Math.max(this.#pauseMs, deadlineMs - performance.now());
    const dueMs = this.#dueMs = performance.now() + leftMs;
    this.#timer = setTimeout(() => {
      this.#dueMs = Infinity;
      const oldest = this.#deadlines[0];
      if (oldest === undefined) return;
      // After a pause of the process, answers that came meanwhile are read before a timeout.
      const isLate = performance.now() - dueMs > this.#pauseMs;
      const isFirstLook = this.#overdueMs !== oldest;
      if (performance.now() >= oldest) this.#overdueMs = oldest;
      if (isLate || isFirstLook) return this.#lookAt(oldest);
      this.#onOverdue();
    }, leftMs);
    Deno.unrefTimer(Number(this.#timer));
  }
}
