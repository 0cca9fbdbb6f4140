/**
 * How much of a busy machine a thread gets, and how soon. What learns can wait for a moment; who asked for a ranking is
 * waiting.
 *
 * On Linux only: elsewhere a thread has no priority of its own, and the whole process would yield. What yields cannot
 * take it back without privileges.
 *
 * @see https://man7.org/linux/man-pages/man7/sched.7.html
 */
import { getPriority, setPriority } from "node:os";

/** A tenth of what a thread of ordinary priority gets while both want the same core. */
const NICE = 10;

/** The shortest time slice that the kernel gives; the usual one is some milliseconds. */
const SLICE_NS = 100_000n;

/** The number of sched_setattr(2), which not every C library has a function for. */
const SCHED_SETATTR = { x86_64: 314n, aarch64: 274n }[Deno.build.arch];

const isLinux = Deno.build.os === "linux";

/** Lets the calling thread, and threads that it starts from now on, run after those of ordinary priority. */
export function yieldToOtherThreads(): void {
  if (isLinux) lowerPriority(0);
}

/**
 * Lets the engine's own threads do so too. They help all threads to collect garbage, beside them or while they wait:
 * left alone, one takes a core for milliseconds from a thread that has an answer to give, and nobody waits for its help
 * as long as that.
 */
export function letEngineYield(): void {
  if (!isLinux) return;
  for (const thread of threads()) {
    try {
      // "V8 DefaultWorker", cut off at 15 characters
      const isEngine = Deno.readTextFileSync(`${TASKS}/${thread}/comm`).startsWith("V8 ");
      if (isEngine) lowerPriority(thread);
    } catch { /* it ended meanwhile */ }
  }
}

const TASKS = "/proc/self/task";

/** The process's threads by number; none where the system does not tell. */
function threads(): number[] {
  try {
    return Array.from(Deno.readDirSync(TASKS), ({ name }) => Number(name));
  } catch {
    return [];
  }
}

/**
 * Lets the calling thread, and threads that it starts from now on, interrupt others as soon as it wakes: it asks for
 * slices shorter than theirs (Linux 6.12 and newer; an older one takes no notice). With slices of one length whoever
 * runs may end its own first, and a request waits for that at each thread that it meets.
 *
 * @returns False where the system does not let it; then all stays as it was.
 */
export function interruptOthersOnWaking(): boolean {
  if (!isLinux) return false;
  const attributes = new Uint8Array(48); // struct sched_attr of an ordinary thread
  const view = new DataView(attributes.buffer);
  view.setUint32(0, attributes.length, true);
  view.setInt32(16, getPriority(0), true);
  view.setBigUint64(24, SLICE_NS, true);
  try {
    const libc = Deno.dlopen("libc.so.6", {
      syscall: { parameters: ["i64", "i32", "buffer", "u32"], result: "i64" },
    });
    const outcome = libc.symbols.syscall(SCHED_SETATTR, 0, attributes, 0);
    libc.close();
    return outcome === 0n;
  } catch {
    return false; // another C library, or no leave to call it
  }
}

/** @param thread By its number in Linux; 0 = the calling one. */
function lowerPriority(thread: number): void {
  setPriority(thread, Math.max(getPriority(thread), NICE));
}
