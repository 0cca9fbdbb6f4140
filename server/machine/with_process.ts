/**
 * Runs one process of a mesh with its HTTP port around a piece of work.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { DenoClock } from "../../mesh/adapters/deno/deno_clock.ts";
import {
  jsonLine,
  logLevels,
  type LogLine,
  terminalLine,
} from "../../mesh/adapters/prometheus/log_lines.ts";
import type { LogLevel } from "../../mesh/ports/telemetry.ts";
import type { ComposeOptions } from "../compose.ts";
import type { RunningHost } from "../start_actors.ts";
import { HttpPort, type HttpPortOptions } from "./http_port.ts";
import type { MachineOptions } from "./machine.ts";
import { StartProgress } from "./start_progress.ts";

/** A process that answers HTTP. */
export interface ServedProcess<H> {
  readonly mesh: H;
  /** Without a path; undefined where the process has no HTTP server. */
  readonly url: string | undefined;
  /** Rejects when a part of the process has failed for good; never resolves. */
  readonly failure: Promise<never>;
  /** Answers on until load balancers have left the process out; see {@link HttpPort.leave}. */
  leave(): Promise<void>;
}

export interface ServerOptions {
  /** Takes each log line, with its line end. */
  readonly writeLog: (line: string) => void;
  /** Default `warn`. */
  readonly logLevelMin?: LogLevel;
  /** Ends the wait until the process is ready, with a {@link StoppedEarlyError}. */
  readonly stopping?: Promise<unknown>;
  /** Threads that load their modules already; see {@link MachineOptions.threads}. */
  readonly threads?: MachineOptions["threads"];
}

export interface ProcessToRun<H extends RunningHost> {
  readonly configuration: CairnConfiguration;
  /** Undefined = no HTTP server. */
  readonly http: Omit<HttpPortOptions, "drainMs"> | undefined;
  /** Loads the modules of the process, which takes longer than all else before, and starts it. */
  start(options: MachineOptions & ComposeOptions): Promise<H>;
  /** Resolves when requests can be passed on, or `until` settles. */
  ready(
    started: H,
    wait: { onStep: (step: string) => void; until: Promise<unknown> },
  ): Promise<void>;
}

/** The process was told to stop before it was ready. */
export class StoppedEarlyError extends Error {
  override readonly name = "StoppedEarlyError";
}

/** Time beyond a request's deadline that it has to end when the port closes, ms. */
const DRAIN_GRACE_MS = 1_000;

/**
 * Opens the port, starts the process, waits until it is ready, runs `work`, and stops everything,
 * also when `work` fails. The start takes as long as it needs; meanwhile requests are answered 503,
 * and the log says every ten seconds what it is at.
 *
 * @throws {StoppedEarlyError} When `stopping` resolved before the process was ready.
 * @throws {Error} From `work`, or when the process cannot start or has failed for good.
 */
export async function withProcess<H extends RunningHost, T>(
  { configuration, http, start, ready }: ProcessToRun<H>,
  options: ServerOptions,
  work: (served: ServedProcess<H>) => Promise<T>,
): Promise<T> {
  const { promise: failure, reject } = Promise.withResolvers<never>();
  failure.catch(() => {/* the races below report it */});
  const stoppedEarly = options.stopping?.then(() => {
    throw new StoppedEarlyError("The server was told to stop before it could rank");
  });
  stoppedEarly?.catch(() => {});
  const notServing = stoppedEarly === undefined ? failure : Promise.race([failure, stoppedEarly]);
  notServing.catch(() => {});
  const port = http && await HttpPort.open({
    ...http,
    drainMs: configuration.gateway.deadlineMs + DRAIN_GRACE_MS,
  });
  const { logLevelMin = "warn" } = options;
  const writeLog = (line: LogLine) => {
    const asText = Deno.stderr.isTerminal() ? terminalLine : jsonLine;
    options.writeLog(asText(line, Date.now()) + "\n");
  };
  const progress = new StartProgress("loading the modules", {
    clock: new DenoClock(),
    log(line) {
      if (logLevels.indexOf(line.level) >= logLevels.indexOf(logLevelMin)) writeLog(line);
    },
    onStep: (step) => port?.report(step),
  });
  const onStep = (step: string) => progress.enter(step);
  const starting = start({
    writeLog,
    logLevelMin,
    threads: options.threads,
    onFatal(error) {
      reject(error);
      port?.abort();
    },
    onStep,
  });
  let mesh: H | undefined;
  try {
    mesh = await Promise.race([starting, notServing]);
    await Promise.race([ready(mesh, { onStep, until: notServing }), notServing]);
    progress.end();
    port?.serve(mesh.fetch);
    const leave = async () => await port?.leave();
    return await Promise.race([work({ mesh, url: port?.url, failure, leave }), failure]);
  } finally {
    progress.end();
    await port?.close();
    // A mesh that still starts has learned nothing: it stops when it can, or with the process.
    if (mesh === undefined) starting.then((late) => late.stop()).catch(() => {});
    await mesh?.stop();
  }
}
