/**
 * Time, as actors see it.
 *
 * Handlers never read the machine's clock. Production implements this port with real time; tests
 * and the simulation implement it with virtual time, which they advance.
 */

/** A scheduled callback. */
export interface Timer {
  /** Prevents the callback from being called. Idempotent. */
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
