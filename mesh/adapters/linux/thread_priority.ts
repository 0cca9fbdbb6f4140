/**
 * Lowers the priority of background threads (trainers, shards, V8's helpers), so that the threads
 * that answer requests run first when all cores are busy.
 *
 * On Linux only: elsewhere a priority belongs to the whole process. Without privileges a thread
 * cannot take a lowered priority back.
 *
 * @see https://man7.org/linux/man-pages/man7/sched.7.html
 */
import { getPriority, setPriority } from "node:os";

/**
 * The nice value of background threads: a tenth of an ordinary thread's share while both want the
 * same core.
 */
export const BACKGROUND_NICE = 10;

/** Holds a directory per thread, named for the thread's number. */
export const TASKS_DIRECTORY = "/proc/self/task";

const isLinux = Deno.build.os === "linux";

/**
 * Makes the calling thread a background thread, and with it the threads that it starts from now on.
 */
export function enterBackground(): void {
  if (isLinux) lowerPriority(0);
}

/**
 * Makes V8's own threads background threads. They help all threads to collect garbage; at ordinary
 * priority one of them takes a core for milliseconds from a thread that has a request to answer.
 */
export function moveEngineToBackground(): void {
  if (!isLinux) return;
  for (const thread of listThreads()) {
    try {
      // "V8 DefaultWorker", truncated to 15 characters
      const isEngine = Deno.readTextFileSync(`${TASKS_DIRECTORY}/${thread}/comm`).startsWith("V8 ");
      if (isEngine) lowerPriority(thread);
    } catch { /* the thread has ended */ }
  }
}

/** Numbers of the process's threads; empty where the system does not list them. */
export function listThreads(): number[] {
  try {
    return Array.from(Deno.readDirSync(TASKS_DIRECTORY), ({ name }) => Number(name));
  } catch {
    return [];
  }
}

/** @param thread Its number in Linux; 0 = the calling thread. */
function lowerPriority(thread: number): void {
  setPriority(thread, Math.max(getPriority(thread), BACKGROUND_NICE));
}
