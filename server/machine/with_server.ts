/**
 * Runs a whole mesh in one process, with its HTTP port, around a piece of work. The modules of the
 * mesh are loaded within its start.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { present } from "../../structures/invariant.ts";
import type { RunningMesh } from "../compose.ts";
import {
  type ServedProcess,
  type ServerOptions,
  StoppedEarlyError,
  withProcess,
} from "./with_process.ts";

export { type ServerOptions, StoppedEarlyError };

/** A mesh that answers HTTP. */
export interface ServedMesh extends ServedProcess<RunningMesh> {
  readonly url: string;
}

/**
 * Opens the port, starts the mesh, waits until it can rank, runs `work`, and stops everything, also
 * when `work` fails. The start takes as long as it needs; meanwhile requests are answered 503.
 *
 * @throws {StoppedEarlyError} When `stopping` resolved before the mesh could rank.
 * @throws {Error} From `work`, or when the mesh cannot start or has failed for good.
 */
export async function withServer<T>(
  configuration: CairnConfiguration,
  options: ServerOptions,
  work: (served: ServedMesh) => Promise<T>,
): Promise<T> {
  return await withProcess(
    {
      configuration,
      http: { ...configuration.http, setting: "--port (0 = any free one)" },
      async start(machine) {
        const { startMesh } = await import("./start_mesh.ts");
        return await startMesh(configuration, machine);
      },
      async ready(mesh, wait) {
        const { waitUntilReady } = await import("../waits.ts");
        await waitUntilReady(mesh, wait);
      },
    },
    options,
    ({ url, ...served }) => work({ ...served, url: present(url, "a server has a port") }),
  );
}
