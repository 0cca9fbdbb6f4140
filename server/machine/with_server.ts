/**
 * Runs a mesh with its HTTP port around a piece of work.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { jsonLine, terminalLine } from "../../mesh/adapters/prometheus/log_lines.ts";
import type { LogLevel } from "../../mesh/ports/telemetry.ts";
import type { RunningMesh } from "../compose.ts";
import { waitUntilReady } from "../waits.ts";
import { HttpPort } from "./http_port.ts";
import { startMesh } from "./start_mesh.ts";

/** A mesh that answers HTTP. */
export interface ServedMesh {
  readonly mesh: RunningMesh;
  /** Without a path. */
  readonly url: string;
  /** Rejects when a part of the mesh has failed for good; never resolves. */
  readonly failure: Promise<never>;
}

export interface ServerOptions {
  /** Takes each log line, with its line end. */
  readonly writeLog: (line: string) => void;
  /** Default `warn`. */
  readonly logLevelMin?: LogLevel;
  /** Ends the wait until the mesh can rank, with a {@link StoppedEarlyError}. */
  readonly stopping?: Promise<unknown>;
}

/** The server was told to stop before it could rank. */
export class StoppedEarlyError extends Error {
  override readonly name = "StoppedEarlyError";
}

/** Time beyond a request's deadline that it has to end when the port closes, ms. */
const DRAIN_GRACE_MS = 1_000;

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
  const { promise: failure, reject } = Promise.withResolvers<never>();
  failure.catch(() => {/* the races below report it */});
  const stoppedEarly = options.stopping?.then(() => {
    throw new StoppedEarlyError("The server was told to stop before it could rank");
  });
  stoppedEarly?.catch(() => {});
  const notServing = stoppedEarly === undefined ? failure : Promise.race([failure, stoppedEarly]);
  notServing.catch(() => {});
  const port = await HttpPort.open({
    ...configuration.http,
    drainMs: configuration.gateway.deadlineMs + DRAIN_GRACE_MS,
  });
  const onStep = (step: string) => port.report(step);
  const starting = startMesh(configuration, {
    writeLog: (line) => {
      const asText = Deno.stderr.isTerminal() ? terminalLine : jsonLine;
      options.writeLog(asText(line, Date.now()) + "\n");
    },
    logLevelMin: options.logLevelMin ?? "warn",
    onFatal(error) {
      reject(error);
      port.abort();
    },
    onStep,
  });
  let mesh: RunningMesh | undefined;
  try {
    mesh = await Promise.race([starting, notServing]);
    await Promise.race([waitUntilReady(mesh, { onStep, until: notServing }), notServing]);
    port.serve(mesh.fetch);
    return await Promise.race([work({ mesh, url: port.url, failure }), failure]);
  } finally {
    await port.close();
    // A mesh that still starts has learned nothing: it stops when it can, or with the process.
    if (mesh === undefined) starting.then((late) => late.stop()).catch(() => {});
    await mesh?.stop();
  }
}
