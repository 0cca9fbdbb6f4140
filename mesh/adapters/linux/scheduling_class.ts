/**
 * Decides whether background threads run in `SCHED_IDLE` or at nice 10.
 *
 * Linux treats a core that runs only `SCHED_IDLE` threads as idle and wakes other threads onto it
 * at once; a core that runs a nice-10 thread counts as busy, and a foreground thread may queue
 * behind it. But on a saturated machine `SCHED_IDLE` threads get next to nothing. So background
 * threads use `SCHED_IDLE` until one of them starves.
 */

/**
 * `idle`: runs while no other thread wants the core (`SCHED_IDLE`). `nice`: gets its share of it
 * (`SCHED_OTHER`, nice 10).
 */
export type SchedulingClass = "idle" | "nice";

/** CPU time of a thread since its last sample, or since it began. */
export interface ThreadTimes {
  readonly ranMs: number;
  /**
   * Time in which the thread could have run and another ran. Linux adds it up when the thread runs
   * again.
   */
  readonly waitedMs: number;
  /** The thread ran or waited for a core, at this sample and at the last one. */
  readonly runnable: boolean;
}

/** Shorter waits are ignored, ms of one sample interval. */
const WAITED_MS_MIN = 250;
/** Share of the wanted time below which a thread starves. */
const STARVING_SHARE = 1 / 10;
/** Share of the wanted time from which on a thread has enough. */
const ENOUGH_SHARE = 1 / 3;

/**
 * The class of all background threads until the next sample: `nice` once one of them starves,
 * `idle` again once all have enough, else the present class.
 */
export function nextSchedulingClass(
  present: SchedulingClass,
  threads: readonly ThreadTimes[],
): SchedulingClass {
  if (threads.some((times) => shareOf(times) < STARVING_SHARE)) return "nice";
  if (threads.every((times) => shareOf(times) >= ENOUGH_SHARE)) return "idle";
  return present;
}

/** The part of the time that a thread wanted to run in which it did run. */
function shareOf({ ranMs, waitedMs, runnable }: ThreadTimes): number {
  if (runnable && ranMs === 0) return 0;
  return waitedMs < WAITED_MS_MIN ? 1 : ranMs / (ranMs + waitedMs);
}
