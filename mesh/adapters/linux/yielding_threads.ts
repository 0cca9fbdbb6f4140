/**
 * The threads that yield, seen from the main one: they run where no other thread wants the core (`SCHED_IDLE`), and get
 * their tenth of it (`SCHED_OTHER`, nice 10) for as long as that leaves them nothing.
 *
 * A nice value decides who goes on; it does not say where. A thread that wakes looks for a core without work, and only
 * one whose work is of `SCHED_IDLE` counts as such: beside a trainer at nice 10, it queues behind the thread that answers
 * the next request, or waits out a slice of the trainer's. But on a machine that is full, `SCHED_IDLE` would learn
 * next to nothing.
 *
 * @see https://man7.org/linux/man-pages/man7/sched.7.html
 */
import { getPriority, setPriority } from "node:os";
import { type Libc, openLibc } from "./libc.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { NICE, TASKS, threads } from "./thread_priority.ts";

/** `idle`: while nobody else wants the core. `nice`: their share of it. */
export type Standing = "idle" | "nice";

/** What a thread got, since it began or since it was last looked at. */
export interface ThreadTimes {
  readonly ranMs: number;
  /** It could have run, and others did. Counted when it runs again. */
  readonly waitedMs: number;
  /** It has a core or waits for one: now, and when it was last looked at. */
  readonly runnable: boolean;
}

/** How often the threads are looked at, ms: about as long as they may be without a core. */
const INTERVAL_MS = 1_000;
/** A wait that is worth a change, ms of an interval. */
const WAITED_MS_MIN = 250;
/** They starve below a tenth of what they wanted, and are at ease from a third on. */
const STARVING = 1 / 10;
const AT_EASE = 1 / 3;

/** Where the threads should stand from now on, after what each got. */
export function nextStanding(standing: Standing, threads: readonly ThreadTimes[]): Standing {
  if (threads.some((times) => shareOf(times) < STARVING)) return "nice";
  if (threads.every((times) => shareOf(times) >= AT_EASE)) return "idle";
  return standing;
}

/** Of the time that a thread wanted, how much it got. */
function shareOf({ ranMs, waitedMs, runnable }: ThreadTimes): number {
  if (runnable && ranMs === 0) return 0;
  return waitedMs < WAITED_MS_MIN ? 1 : ranMs / (ranMs + waitedMs);
}

const CAP_SYS_NICE = 23n;
const SCHED_OTHER = 0;
const SCHED_IDLE = 5;

export class YieldingThreads {
  readonly #libc: Libc;
  #standing: Standing = "nice";
  /** Undefined until it was tried. */
  #maySend: boolean | undefined;
  /** By thread: what the system had counted when it was last looked at. */
  #seen = new Map<number, ThreadTimes>();

  private constructor(libc: Libc) {
    this.#libc = libc;
  }

  /**
   * Undefined where threads keep to nice 10: the system is not Linux, or lets this process not take a thread out of
   * `SCHED_IDLE` again, for want of `CAP_SYS_NICE` or a `RLIMIT_NICE` of 10; or the process has another policy itself.
   */
  static open(): YieldingThreads | undefined {
    const libc = openLibc();
    if (libc === undefined || libc.sched_getscheduler(0) !== SCHED_OTHER) return undefined;
    return maySetNice() ? new YieldingThreads(libc) : undefined;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Looks at the threads once a second; when it stops they have their share again, for what is left to do. */
  watch(clock: Clock): { stop(): void } {
    let timer: Timer;
    const look = () => {
      if (this.adjust()) timer = clock.schedule(INTERVAL_MS, look);
    };
    timer = clock.schedule(INTERVAL_MS, look);
    return {
      stop: () => {
        timer.cancel();
        if (this.#standing === "idle") this.#stand("nice", yieldingThreads());
      },
    };
  }

  /** @returns False where the system lets no thread come back from `SCHED_IDLE`, so that none is sent there. */
  adjust(): boolean {
    const seen = new Map<number, ThreadTimes>();
    const got: ThreadTimes[] = [];
    for (const thread of yieldingThreads()) {
      const now = timesOf(thread);
      if (now === undefined) continue; // it has ended
      this.#maySend ??= mayComeBack(thread);
      if (this.#maySend === false) return false;
      seen.set(thread, now);
      const before = this.#seen.get(thread);
      if (before === undefined) this.#place(thread);
      else got.push(difference(now, before));
    }
    this.#seen = seen;
    const next = nextStanding(this.#standing, got);
    if (next !== this.#standing) this.#stand(next, seen.keys());
    return true;
  }

  #stand(standing: Standing, threads: Iterable<number>): void {
    this.#standing = standing;
    for (const thread of threads) this.#place(thread);
  }

  #place(thread: number): void {
    const policy = this.#standing === "idle" ? SCHED_IDLE : SCHED_OTHER;
    this.#libc.sched_setscheduler(thread, policy, new Int32Array(1));
  }
}

/** Those that were told to yield, those that they started, and the engine's own. */
function yieldingThreads(): number[] {
  const own = Math.max(getPriority(0), NICE - 1);
  return threads().filter((thread) => {
    try {
      return getPriority(thread) > own;
    } catch {
      return false; // it has ended
    }
  });
}

/** What the process was given. */
function maySetNice(): boolean {
  try {
    const capabilities = /^CapEff:\s*([0-9a-f]+)/m.exec(Deno.readTextFileSync("/proc/self/status"));
    const limit = /^Max nice priority\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"));
    const mayAll = (BigInt(`0x${capabilities?.[1] ?? 0}`) >> CAP_SYS_NICE & 1n) === 1n;
    return mayAll || Number(limit?.[1] ?? 0) >= 20 - NICE;
  } catch {
    return false;
  }
}

/**
 * Whether the system agrees, which in a user namespace it may not: who may lower a nice value may also leave
 * `SCHED_IDLE`, the kernel asks the same question for both. Undefined when the thread has ended.
 */
function mayComeBack(thread: number): boolean | undefined {
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
 * Since the thread began; undefined when it has ended.
 *
 * @see https://docs.kernel.org/scheduler/sched-stats.html
 */
function timesOf(thread: number): ThreadTimes | undefined {
  try {
    const [ranNs, waitedNs] = Deno.readTextFileSync(`${TASKS}/${thread}/schedstat`).split(" ");
    const stat = Deno.readTextFileSync(`${TASKS}/${thread}/stat`);
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
