/**
 * Moments at which the parts of all hosts do their periodic work together: multiples of the period
 * on the wall clock. A wake-up of an idle thread costs 100 to 200 us, more than most of that work,
 * and the work of one moment shares it, also that of another host's frames.
 */
import type { Clock } from "../ports/clock.ts";

/**
 * Time until the next multiple of a period, ms; at most the period and one ms, also after the clock
 * was set.
 */
export function untilNextMoment(clock: Clock, periodMs: number): number {
  const nowMs = clock.nowMs();
  // A timer may fire a part of a millisecond early: its moment is not repeated then.
  return periodMs * (Math.floor((nowMs + 1) / periodMs) + 1) - nowMs;
}
