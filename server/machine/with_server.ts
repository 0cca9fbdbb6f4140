/**
 * Runs a mesh with its HTTP port around a piece of work.
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
  /** Rejects when a part of the mesh has failed for good; never resolves. */
  readonly failure: Promise<never>;
}

/**
 * Starts the mesh, waits until it can rank, runs `work`, and stops everything, also when `work`
 * fails.
 *
 * @throws {Error} From `work`, or when the mesh cannot start or has failed for good.
 */
export async function withServer<T>(
  configuration: CairnConfiguration,
  writeLog: (line: string) => void,
  work: (served: ServedMesh) => Promise<T>,
  logLevelMin: LogLevel = "warn",
): Promise<T> {
  const { promise: failure, reject } = Promise.withResolvers<never>();
  failure.catch(() => {/* the race below reports it */});
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
