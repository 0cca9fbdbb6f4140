/**
 * Lowers the priority of background threads (trainers, shards), so that the threads that answer
 * requests run first when all cores are busy. V8's helper threads are none of them: a thread that
 * collects its garbage waits for them, and so would wait for a core as long as they do.
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
  if (isLinux) setPriority(0, Math.max(getPriority(0), BACKGROUND_NICE));
}

/** Numbers of the process's threads; empty where the system does not list them. */
export function listThreads(): number[] {
  try {
    return Array.from(Deno.readDirSync(TASKS_DIRECTORY), ({ name }) => Number(name));
  } catch {
    return [];
  }
}
