/**
 * How much of a busy machine a thread gets. What learns can wait for a moment; who asked for a ranking is waiting.
 *
 * On Linux only: elsewhere a thread has no priority of its own, and the whole process would yield. What yields cannot
 * take it back without privileges.
 *
 * @see https://man7.org/linux/man-pages/man7/sched.7.html
 */
import { getPriority, setPriority } from "node:os";

/** A tenth of what a thread of ordinary priority gets while both want the same core. */
export const NICE = 10;

/** A directory a thread, by its number. */
export const TASKS = "/proc/self/task";

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

/** The process's threads by number; none where the system does not tell. */
export function threads(): number[] {
  try {
    return Array.from(Deno.readDirSync(TASKS), ({ name }) => Number(name));
  } catch {
    return [];
  }
}

/** @param thread By its number in Linux; 0 = the calling one. */
function lowerPriority(thread: number): void {
  setPriority(thread, Math.max(getPriority(thread), NICE));
}
