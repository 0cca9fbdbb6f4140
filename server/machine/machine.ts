/**
 * The environment of the real machine: its clock, randomness and stores, Prometheus' metrics, and
 * worker threads.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { DenoClock } from "../../mesh/adapters/deno/deno_clock.ts";
import { DenoRandom } from "../../mesh/adapters/deno/deno_random.ts";
import { startWorkerThreads, type WorkerThreads } from "../../mesh/adapters/deno/worker_threads.ts";
import { kernelMemories } from "../../kernels/embedding/kernel_module.ts";
import { BackgroundThreads } from "../../mesh/adapters/linux/background_threads.ts";
import { HugePages } from "../../mesh/adapters/linux/huge_pages.ts";
import type { LogLine } from "../../mesh/adapters/prometheus/log_lines.ts";
import { registerLogMetrics } from "../../mesh/adapters/prometheus/log_metrics.ts";
import { registerProcessMetrics } from "../../mesh/adapters/prometheus/process_metrics.ts";
import {
  type MetricsSnapshot,
  PrometheusTelemetry,
  renderMetrics,
} from "../../mesh/adapters/prometheus/prometheus_telemetry.ts";
import type { LogLevel } from "../../mesh/ports/telemetry.ts";
import type { ActorFailure } from "../../mesh/runtime/actor_statistics.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import { Node } from "../../mesh/runtime/node.ts";
import type { Environment, NodesRequest } from "../environment.ts";
import { homeNode, nodesOf } from "../plan.ts";
import { machineSessions } from "./dense_sessions.ts";
import { FailingParts } from "./failing_parts.ts";
import { openStorage, type SharedStorage } from "./storage.ts";
import type { WorkerSetup } from "./worker.ts";

export interface MachineOptions {
  /** Takes each log line that is at least `logLevelMin`. Default: none are written. */
  readonly writeLog?: (line: LogLine) => void;
  /** Default `info`. */
  readonly logLevelMin?: LogLevel;
  /**
   * A part is gone for good (an actor that serving needs used up its restarts, a thread crashed).
   * The mesh should be stopped.
   */
  readonly onFatal?: (error: Error) => void;
}

/**
 * Opens the stores and makes the home node; threads start when the composition asks for them.
 *
 * @throws {Error} When a store cannot be opened.
 */
export async function openMachine(
  configuration: CairnConfiguration,
  { writeLog = () => {}, logLevelMin = "info", onFatal = () => {} }: MachineOptions = {},
): Promise<Environment> {
  const telemetry = new PrometheusTelemetry({ logLevelMin, writeLog });
  registerProcessMetrics(telemetry);
  const clock = new DenoClock();
  const failing = new FailingParts(clock);
  const onFailure = (failure: ActorFailure) => {
    const { address, node, error, restarts, restartsInMs } = failure;
    if (restartsInMs !== undefined) return failing.add(failure);
    const actor = node === homeNode ? address : `${address} in thread ${node}`;
    onFatal(new Error(`${actor} is stopped after ${restarts} restarts: ${reasonOf(error)}`));
  };
  const home = new Node({
    name: homeNode,
    clock,
    random: new DenoRandom(),
    telemetry,
    onFailure,
  });
  const storage = await openStorage({
    storage: configuration.storage,
    examplePartitions: configuration.trainerCount,
    manyThreads: nodesOf(configuration).length > 0,
    onTornTail: (tail) =>
      telemetry.log("warn", "the end of a log was torn by a crash and is cut off", { ...tail }),
  });
  registerLogMetrics(telemetry, { events: storage.eventLog, examples: storage.exampleLog });
  const background = BackgroundThreads.start(home.clock);
  const hugePages = HugePages.start(home.clock, kernelMemories);
  let threads: WorkerThreads | undefined;
  return {
    home,
    stores: storage,
    dense: machineSessions(configuration, telemetry),
    failingParts: () => failing.current(),
    metrics: {
      snapshot: () => telemetry.snapshot(),
      render: (snapshots) => renderMetrics(snapshots as MetricsSnapshot[]),
    },
    async startNodes({ nodes, placement }: NodesRequest) {
      threads = await startWorkerThreads({
        home,
        names: nodes.map(({ name }) => name),
        background: nodes.filter(({ background }) => background).map(({ name }) => name),
        entry: new URL("./worker.ts", import.meta.url),
        placement,
        setup: { configuration, storage: sharedBy(storage) } satisfies WorkerSetup,
        onCrashed: (_name, cause) => onFatal(cause),
        onFailure,
      });
    },
    beginStop: () => background.stop(),
    async close() {
      background.stop();
      hugePages.stop();
      threads?.close();
      await storage.close();
    },
  };
}

function sharedBy({ shared }: { readonly shared: SharedStorage | undefined }): SharedStorage {
  if (shared === undefined) throw new Error("Storage in this thread's memory has no other readers");
  return shared;
}
