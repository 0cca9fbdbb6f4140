/**
 * A host of a mesh on the real machine.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { ComposeOptions } from "../compose.ts";
import { type ComposedHost, composeHost } from "../compose_host.ts";
import { type MachineOptions, openHostMachine } from "./machine.ts";

/**
 * Opens the stores of the host, starts its threads, its links and its actors.
 *
 * @throws {UnknownHostError} The configuration has no such host.
 * @throws {Error} When a part cannot start; everything that had started is stopped.
 */
export async function startHost(
  configuration: CairnConfiguration,
  name: string,
  options: MachineOptions & ComposeOptions = {},
): Promise<ComposedHost> {
  return await composeHost(
    configuration,
    await openHostMachine(configuration, name, options),
    options,
  );
}
