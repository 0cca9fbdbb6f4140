/**
 * A mesh and its port for as long as a piece of work takes, in the order in which they must begin and end.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { LogLevel } from "../../mesh/ports/telemetry.ts";
import { jsonLine, terminalLine } from "../../mesh/adapters/prometheus/log_lines.ts";
import { listen } from "./listen.ts";
import type { RunningMesh } from "../compose.ts";
import { waitReady } from "../waits.ts";
import { startMesh } from "./start_mesh.ts";

/** A mesh that answers HTTP. */
export interface ServedMesh {
  readonly mesh: RunningMesh;
  /** Without a path. */
  readonly url: string;
  /** Rejects when a part of the mesh is gone for good; never resolves. */
  readonly failure: Promise<never>;
}

/**
 * Starts the mesh, waits until it can rank, runs `work`, and stops everything whatever became of it.
 *
 * @throws {Error} What `work` threw, or why the mesh could not start or go on.
 */
export async function withServer<T>(
  configuration: CairnConfiguration,
  writeLog: (line: string) => void,
  work: (served: ServedMesh) => Promise<T>,
  logLevelMin: LogLevel = "warn",
): Promise<T> {
  const { promise: failure, reject } = Promise.withResolvers<never>();
  failure.catch(() => {/* told by whoever waits for the work */});
  const mesh = await startMesh(configuration, {
    writeLog: (line) => {
      const asText = Deno.stderr.isTerminal() ? terminalLine : jsonLine;
      writeLog(asText(line, Date.now()) + "\n");
    },
    logLevelMin,
    onFatal: reject,
  });
  try {
    const listener = listen(mesh);
    try {
      await waitReady(mesh);
      return await Promise.race([work({ mesh, url: listener.url, failure }), failure]);
    } finally {
      await listener.close();
    }
  } finally {
    await mesh.stop();
  }
}
