/**
 * Commands that run all parts in their own process, which a mesh of several hosts deals to others.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { usageError } from "./errors.ts";

/**
 * @param instead Sentence about the way with a mesh.
 * @throws {CommandError} The file describes a mesh.
 */
export function requireOneProcess(
  { mesh }: Pick<CairnConfiguration, "mesh">,
  file: string,
  instead: string,
): void {
  if (mesh === undefined) return;
  const hosts = mesh.hosts.map(({ name }) => name).join(", ");
  throw usageError(`${file} describes a mesh of the hosts ${hosts}. ${instead}`);
}
