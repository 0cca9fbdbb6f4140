/**
 * How much of a busy machine a thread gets. What learns can wait for a moment; who asked for a ranking is waiting.
 */
import { getPriority, setPriority } from "node:os";

/** A tenth of what a thread of ordinary priority gets while both want the same core (sched(7)). */
const NICE = 10;

/**
 * Lets the calling thread, and threads that it starts from now on, run after those of ordinary priority. It cannot be
 * taken back without privileges. On Linux only: elsewhere a thread has no priority of its own, and the whole process
 * would yield.
 */
export function yieldToOtherThreads(): void {
  if (Deno.build.os === "linux") setPriority(0, Math.max(getPriority(0), NICE));
}
