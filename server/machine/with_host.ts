/**
 * Runs one host of a mesh of several processes, with its HTTP port if it has one, around a piece of
 * work. The modules of the host are loaded within its start.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { ComposedHost } from "../compose_host.ts";
import { hostOf } from "../host_of.ts";
import { type ServedProcess, type ServerOptions, withProcess } from "./with_process.ts";

/**
 * Opens the port, starts the host, waits until its parts are there (where it serves, until it can
 * rank), runs `work`, and stops everything, also when `work` fails.
 *
 * @throws {StoppedEarlyError} When `stopping` resolved before the host was ready.
 * @throws {UnknownHostError} The configuration has no such host.
 * @throws {Error} From `work`, or when the host cannot start or has failed for good.
 */
export async function withHost<T>(
  configuration: CairnConfiguration,
  name: string,
  options: ServerOptions,
  work: (served: ServedProcess<ComposedHost>) => Promise<T>,
): Promise<T> {
  const { http, roles } = hostOf(configuration, name);
  return await withProcess(
    {
      configuration,
      http: http && {
        host: http.hostname,
        port: http.port,
        setting: `mesh.hosts.${name}.http`,
        stopAfterMs: roles.includes("serving") ? configuration.http.stopAfterMs : 0,
      },
      async start(machine) {
        const { startHost } = await import("./start_host.ts");
        return await startHost(configuration, name, machine);
      },
      async ready({ serving }, wait) {
        if (serving === undefined) return;
        const { waitUntilReady } = await import("../waits.ts");
        await waitUntilReady(serving, wait);
      },
    },
    options,
    work,
  );
}
