/**
 * Begins the worker threads of a process before the modules of the server are loaded.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { BegunThreads } from "../../mesh/adapters/deno/begun_threads.ts";
import { nodesOf } from "../layout.ts";
import { withScoringThread } from "../scoring_thread.ts";

/** The module of every worker thread. */
export const workerEntry = new URL("./worker.ts", import.meta.url);

/**
 * @param host Undefined = the only process.
 * @returns The threads of the plan, for `MachineOptions.threads`. The caller disposes of them.
 */
export function beginThreads(configuration: CairnConfiguration, host?: string): BegunThreads {
  const placed = withScoringThread(configuration, navigator.hardwareConcurrency);
  return new BegunThreads(workerEntry, nodesOf(placed, host).map(({ name }) => name));
}
