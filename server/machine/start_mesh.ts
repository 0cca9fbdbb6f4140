/**
 * A mesh on the real machine.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { compose, type ComposeOptions, type RunningMesh } from "../compose.ts";
import { withScoringThread } from "../scoring_thread.ts";
import { type MachineOptions, openMachine } from "./machine.ts";

/**
 * Opens the stores, starts the threads and the actors.
 *
 * @throws {Error} When a part cannot start; everything that had started is stopped.
 */
export async function startMesh(
  configuration: CairnConfiguration,
  options: MachineOptions & ComposeOptions = {},
): Promise<RunningMesh> {
  const placed = withScoringThread(configuration, navigator.hardwareConcurrency);
  return await compose(placed, await openMachine(placed, options), options);
}
