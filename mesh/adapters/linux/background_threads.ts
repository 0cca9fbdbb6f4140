/**
 * Schedules background threads so that foreground threads, which answer requests, never wait for
 * them, and still gives them a tenth of a saturated machine.
 *
 * A background thread has called `enterBackground`, or was started by one that had. Once a second
 * the main thread samples their CPU times and moves all of them between `SCHED_IDLE` and nice 10,
 * see `scheduling_class.ts`.
 *
 * @see https://man7.org/linux/man-pages/man7/sched.7.html
 */
import { getPriority, setPriority } from "node:os";
import type { Clock, Timer } from "../../ports/clock.ts";
import { untilNextMoment } from "../../runtime/common_moments.ts";
import { type Libc, openLibc } from "./libc.ts";
import { nextSchedulingClass, type SchedulingClass, type ThreadTimes } from "./scheduling_class.ts";
import { BACKGROUND_NICE, listThreads, TASKS_DIRECTORY } from "./thread_priority.ts";

/**
 * Time between two samples, ms: about the longest time that a background thread goes without a
 * core.
 */
const SAMPLE_INTERVAL_MS = 1_000;

const CAP_SYS_NICE = 23n;
const SCHED_OTHER = 0;
const SCHED_IDLE = 5;

/** Moves background threads between scheduling classes. */
export class BackgroundThreads {
  readonly #libc: Libc;
  #class: SchedulingClass = "nice";
  /** Whether the kernel lets a thread leave `SCHED_IDLE` again; undefined until that was tried. */
  #mayLeaveIdle: boolean | undefined;
  /** CPU times at the last sample, by thread. */
  #seen = new Map<number, ThreadTimes>();

  private constructor(libc: Libc) {
    this.#libc = libc;
  }

  /**
   * Keeps all background threads in the right class until it is stopped. Call it once, in the main
   * thread. Does nothing where {@link open} finds that they stay at nice 10.
   *
   * @returns `stop`, which gives the threads nice 10 for the work that is left.
   */
  static start(clock: Clock): { stop(): void } {
    return BackgroundThreads.open()?.watch(clock) ?? { stop() {} };
  }

  /**
   * Undefined where background threads stay at nice 10: the system is not Linux; the process was
   * started in another scheduling class; or it may not take a thread out of `SCHED_IDLE` again,
   * which needs `CAP_SYS_NICE` or a `RLIMIT_NICE` of 10.
   */
  static open(): BackgroundThreads | undefined {
    const libc = openLibc();
    if (libc === undefined || libc.sched_getscheduler(0) !== SCHED_OTHER) return undefined;
    return mayLowerNice() ? new BackgroundThreads(libc) : undefined;
  }

  /** The class that background threads have now. */
  get schedulingClass(): SchedulingClass {
    return this.#class;
  }

  /** Samples the threads once a second until it is stopped, which gives them nice 10. */
  watch(clock: Clock): { stop(): void } {
    let timer: Timer;
    const sampleLater = () => {
      timer = clock.schedule(untilNextMoment(clock, SAMPLE_INTERVAL_MS), () => {
        if (this.adjust()) sampleLater();
      });
    };
    sampleLater();
    return {
      stop: () => {
        timer.cancel();
        if (this.#class === "idle") this.#setAll("nice", listBackgroundThreads());
      },
    };
  }

  /**
   * Takes one sample and moves the threads if need be.
   *
   * @returns False where the kernel lets no thread leave `SCHED_IDLE`: then none is moved there.
   */
  adjust(): boolean {
    const seen = new Map<number, ThreadTimes>();
    const spent: ThreadTimes[] = [];
    for (const thread of listBackgroundThreads()) {
      const now = timesOf(thread);
      if (now === undefined) continue; // it has ended
      this.#mayLeaveIdle ??= mayLeaveIdle(thread);
      if (this.#mayLeaveIdle === false) return false;
      seen.set(thread, now);
      const before = this.#seen.get(thread);
      if (before === undefined) this.#set(thread);
      else spent.push(difference(now, before));
    }
    this.#seen = seen;
    const next = nextSchedulingClass(this.#class, spent);
    if (next !== this.#class) this.#setAll(next, seen.keys());
    return true;
  }

  #setAll(next: SchedulingClass, threads: Iterable<number>): void {
    this.#class = next;
    for (const thread of threads) this.#set(thread);
  }

  #set(thread: number): void {
    const policy = this.#class === "idle" ? SCHED_IDLE : SCHED_OTHER;
    this.#libc.sched_setscheduler(thread, policy, new Int32Array(1));
  }
}

/** Threads with a nice value above the calling thread's. */
function listBackgroundThreads(): number[] {
  const own = Math.max(getPriority(0), BACKGROUND_NICE - 1);
  return listThreads().filter((thread) => {
    try {
      return getPriority(thread) > own;
    } catch {
      return false; // it has ended
    }
  });
}

/** Whether the process has the capability or the limit that lowering a nice value to 10 needs. */
function mayLowerNice(): boolean {
  try {
    const capabilities = /^CapEff:\s*([0-9a-f]+)/m.exec(Deno.readTextFileSync("/proc/self/status"));
    const limit = /^Max nice priority\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"));
    const mayAll = (BigInt(`0x${capabilities?.[1] ?? 0}`) >> CAP_SYS_NICE & 1n) === 1n;
    return mayAll || Number(limit?.[1] ?? 0) >= 20 - BACKGROUND_NICE;
  } catch {
    return false;
  }
}

/**
 * Whether the kernel lets the thread leave `SCHED_IDLE`: it asks for the same right as for lowering
 * a nice value, which is tried here. In a user namespace the process may look entitled and be
 * refused. Undefined when the thread has ended.
 */
function mayLeaveIdle(thread: number): boolean | undefined {
  try {
    const nice = getPriority(thread);
    setPriority(thread, nice + 1);
    setPriority(thread, nice);
    return true;
  } catch {
    return timesOf(thread) === undefined ? undefined : false;
  }
}

/**
 * CPU times since the thread began; undefined when it has ended.
 *
 * @see https://docs.kernel.org/scheduler/sched-stats.html
 */
function timesOf(thread: number): ThreadTimes | undefined {
  try {
    const [ranNs, waitedNs] = Deno.readTextFileSync(`${TASKS_DIRECTORY}/${thread}/schedstat`)
      .split(" ");
    const stat = Deno.readTextFileSync(`${TASKS_DIRECTORY}/${thread}/stat`);
    return {
      ranMs: Number(ranNs) / 1e6,
      waitedMs: Number(waitedNs) / 1e6,
      runnable: stat[stat.lastIndexOf(")") + 2] === "R",
    };
  } catch {
    return undefined;
  }
}

function difference(now: ThreadTimes, before: ThreadTimes): ThreadTimes {
  return {
    ranMs: now.ranMs - before.ranMs,
    waitedMs: now.waitedMs - before.waitedMs,
    runnable: now.runnable && before.runnable,
  };
}
