/**
 * Real time. A delay of 0 ms uses `setImmediate`, because a timer of 0 ms costs a millisecond or
 * more.
 */
import type { Clock, Timer } from "../../ports/clock.ts";

export class DenoClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  schedule(delayMs: number, callback: () => void): Timer {
    if (delayMs <= 0) {
      const immediate = setImmediate(callback);
      return { cancel: () => clearImmediate(immediate) };
    }
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  }
}
