/**
 * The options of one host of a mesh, by its name.
 */
import type { CairnConfiguration, HostOptions } from "../configuration/configuration.ts";

/** There is no such host in the configuration. */
export class UnknownHostError extends Error {
  override readonly name = "UnknownHostError";
}

/**
 * The options of a host.
 *
 * @throws {UnknownHostError} The configuration has no such host.
 */
export function hostOf({ mesh }: CairnConfiguration, name: string): HostOptions {
  if (mesh === undefined) {
    throw new UnknownHostError(
      "The configuration has no section mesh, so there is one process: start it by `cairn serve`.",
    );
  }
  const host = mesh.hosts.find((each) => each.name === name);
  if (host !== undefined) return host;
  const names = mesh.hosts.map((each) => each.name).join(", ");
  throw new UnknownHostError(`mesh.hosts has no host "${name}"; it has ${names}.`);
}
