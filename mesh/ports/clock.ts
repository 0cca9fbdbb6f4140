/**
 * Time, as actors see it.
 *
 * Handlers never read the machine's clock: production gives them this port on real time, tests and the
 * simulation give them the same port on virtual time, which moves only when it is told to.
 */

/** A callback that waits for its time; `cancel` is idempotent. */
export interface Timer {
  /** The callback is not called any more. */
  cancel(): void;
}

/** Reads time and waits for it. */
export interface Clock {
  /** Wall time in ms since the Unix epoch. May step backwards. */
  nowMs(): number;
  /** Monotonic time in ms, fractional, from an arbitrary origin. For durations and deadlines. */
  monotonicMs(): number;
  /** Calls `callback` once, `delayMs` from now (0 = the next turn, never synchronously). */
  schedule(delayMs: number, callback: () => void): Timer;
}
