/**
 * Core time and memory of other processes. Unlike wall time, core time leaves out the time for
 * which other work on the machine had the core.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
export interface CoreTime {
  /** All threads together. */
  readonly micros: number;
  /** The threads that yield to others: nice, or in the class SCHED_IDLE. */
  readonly yieldingMicros: number;
}

/** Indices of nice and of the scheduling class among the words behind the name in parentheses. */
const [NICE_WORD, POLICY_WORD] = [16, 38];
const SCHED_IDLE = 5;
const PAGE_BYTES = 4096;

/** The core time that the processes have taken so far. Threads that have ended count no more. */
export function coreTimeOf(processIds: readonly number[]): CoreTime {
  let micros = 0, yieldingMicros = 0;
  for (const processId of processIds) {
    for (const { name } of Deno.readDirSync(`/proc/${processId}/task`)) {
      const directory = `/proc/${processId}/task/${name}`;
      let threadMicros: number, stat: string;
      try {
        const [nanoseconds] = Deno.readTextFileSync(`${directory}/schedstat`).split(" ");
        threadMicros = Number(nanoseconds) / 1000;
        stat = Deno.readTextFileSync(`${directory}/stat`);
      } catch {
        continue; // the thread has ended
      }
      const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const yields = Number(words[NICE_WORD]) > 0 || Number(words[POLICY_WORD]) === SCHED_IDLE;
      micros += threadMicros;
      if (yields) yieldingMicros += threadMicros;
    }
  }
  return { micros, yieldingMicros };
}

/** Resident memory of the processes together. */
export function residentMiB(processIds: readonly number[]): number {
  let pages = 0;
  for (const processId of processIds) {
    pages += Number(Deno.readTextFileSync(`/proc/${processId}/statm`).split(" ")[1]);
  }
  return pages * PAGE_BYTES / 2 ** 20;
}
