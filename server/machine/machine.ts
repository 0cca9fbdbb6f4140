/**
 * The environment of the real machine: its clock, randomness and stores, Prometheus' metrics, and
 * worker threads. A host of a mesh has links with the other hosts too.
 */
import { openTelemetryTracing } from "../../mesh/adapters/opentelemetry/opentelemetry_tracing.ts";
import { counted } from "../../structures/counted.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { DenoClock } from "../../mesh/adapters/deno/deno_clock.ts";
import { DenoRandom } from "../../mesh/adapters/deno/deno_random.ts";
import type { BegunThreads } from "../../mesh/adapters/deno/begun_threads.ts";
import { startWorkerThreads, type WorkerThreads } from "../../mesh/adapters/deno/worker_threads.ts";
import { BackgroundThreads } from "../../mesh/adapters/linux/background_threads.ts";
import { HugePages } from "../../mesh/adapters/linux/huge_pages.ts";
import type { LogLine } from "../../mesh/adapters/prometheus/log_lines.ts";
import {
  registerLogMetrics,
  registerRankingMetrics,
} from "../../mesh/adapters/prometheus/log_metrics.ts";
import { registerProcessMetrics } from "../../mesh/adapters/prometheus/process_metrics.ts";
import {
  mergeMetrics,
  type MetricsSnapshot,
  PrometheusTelemetry,
  renderMetrics,
} from "../../mesh/adapters/prometheus/prometheus_telemetry.ts";
import type { LogLevel } from "../../mesh/ports/telemetry.ts";
import type { ActorFailure } from "../../mesh/runtime/actor_statistics.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import { Node } from "../../mesh/runtime/node.ts";
import { RecentSpans } from "../../mesh/runtime/recent_spans.ts";
import { present } from "../../structures/invariant.ts";
import { largeMemories } from "../../structures/large_memories.ts";
import { denoNetwork } from "../../mesh/adapters/tcp/deno_network.ts";
import type { HostLinks } from "../../mesh/adapters/tcp/host_links.ts";
import type { Environment, HostEnvironment, NodesRequest } from "../environment.ts";
import { hostOf } from "../host_of.ts";
import { openStores } from "../open_stores.ts";
import { hasPlacement, homeNodeOf, nodesOf } from "../layout.ts";
import { workerEntry } from "./begin_threads.ts";
import { machineSessions } from "./dense_sessions.ts";
import { placementEnvironment } from "./placement_environment.ts";
import { FailingParts } from "./failing_parts.ts";
import { openHostLinks } from "./open_host_links.ts";
import { type LinksWorkers, linkWorker } from "./worker_channels.ts";
import { type BlobStorage, type MeshStorage, openBlobStorage, openStorage } from "./storage.ts";
import type { SharedStorage } from "./shared_storage.ts";
import type { WorkerSetup } from "./worker.ts";

export interface MachineOptions {
  /** Takes the current step of the start, in words. */
  readonly onStep?: ((step: string) => void) | undefined;
  /** Takes each log line that is at least `logLevelMin`. Default: none are written. */
  readonly writeLog?: (line: LogLine) => void;
  /** Default `info`. */
  readonly logLevelMin?: LogLevel;
  /**
   * A part is gone for good (an actor that serving needs used up its restarts, a thread crashed).
   * The mesh should be stopped.
   */
  readonly onFatal?: (error: Error) => void;
  /** Threads that load their modules already. Default: all threads are made when they are used. */
  readonly threads?: BegunThreads | undefined;
}

/**
 * Opens the stores and makes the home node; threads start when the composition asks for them. While
 * the disk is full, it waits.
 *
 * @throws {Error} When a store cannot be opened for another reason.
 */
export async function openMachine(
  configuration: CairnConfiguration,
  options: MachineOptions = {},
): Promise<Environment> {
  return await openProcess(
    configuration,
    { ...options, host: undefined },
    (machine) => openAllStores(configuration, machine, options.onFatal),
  );
}

/**
 * Opens the stores that a host of a mesh uses, and makes its home node. Threads and links start
 * when the composition asks for them. While the disk is full, it waits.
 *
 * @throws {Error} When a store cannot be opened for another reason.
 */
export async function openHostMachine(
  configuration: CairnConfiguration,
  name: string,
  options: MachineOptions = {},
): Promise<HostEnvironment> {
  const host = hostOf(configuration, name);
  const { storage } = configuration;
  const opened = await openProcess<MeshStorage | BlobStorage>(
    configuration,
    { ...options, host: name },
    (machine) =>
      host.roles.every((role) => role === "shards") && storage.kind === "directory"
        ? openBlobStorage(storage)
        : openAllStores(configuration, machine),
  );
  let links: HostLinks | undefined;
  return {
    ...opened,
    host: name,
    async startNodes(request) {
      await opened.startNodes(request);
      links = openHostLinks({
        configuration,
        host,
        home: opened.home,
        network: denoNetwork,
        onWorkerChannel: (worker) => linkWorker(worker, configuration, opened),
        ...request,
      });
    },
    ...(hasPlacement(configuration) &&
      {
        placement: placementEnvironment(configuration, host, {
          random: opened.home.random,
          open: async () => {
            const { openCoordination } = await import("./redis_coordination.ts");
            return await openCoordination(configuration);
          },
          onBegan: (host) => links?.hostBegan(host),
          onGone: options.onFatal ?? (() => {}),
        }),
      }),
    links: () => links?.peers ?? [],
    async close() {
      await links?.close();
      await opened.close();
    },
  };
}

async function openAllStores(
  configuration: CairnConfiguration,
  telemetry: PrometheusTelemetry,
  onReplaced?: (error: Error) => void,
): Promise<MeshStorage> {
  const { storage, partitions, mesh, gateway } = configuration;
  const opened = await openStorage({
    storage,
    mesh: mesh?.id ?? "cairn",
    isOnlyProcess: mesh === undefined,
    knownMs: gateway.knownMs,
    ...(mesh && { leaseMs: mesh.leaseMs }),
    partitions,
    sharesRankings: mesh?.hosts.filter(({ roles }) => roles.includes("serving")).length !== 1,
    manyThreads: mesh !== undefined || nodesOf(configuration).length > 0,
    onReplaced,
    onWarning: (warning) => telemetry.log("warn", warning),
    onTornTail: (tail) =>
      telemetry.log("warn", "the end of a log was torn by a crash and is truncated", { ...tail }),
    onProfilesMissing: (path) =>
      telemetry.log(
        "warn",
        `${path} is missing although the data directory was used before: all profiles are empty. ` +
          "If that was not meant, stop the server and restore the file from a copy",
      ),
  });
  registerLogMetrics(telemetry, { events: opened.eventLog, examples: opened.exampleLog });
  if (opened.sharedRankings) registerRankingMetrics(telemetry, opened.sharedRankings);
  return opened;
}

interface ProcessOptions extends MachineOptions {
  /** Undefined = the only process. */
  readonly host: string | undefined;
}

/** The environment of one process, without links with other hosts. */
async function openProcess<S extends MeshStorage | BlobStorage>(
  configuration: CairnConfiguration,
  {
    host,
    onStep,
    writeLog = () => {},
    logLevelMin = "info",
    onFatal = () => {},
    threads: begun,
  }: ProcessOptions,
  open: (telemetry: PrometheusTelemetry) => Promise<S>,
): Promise<Omit<Environment, "stores"> & { readonly stores: S } & LinksWorkers> {
  const telemetry = new PrometheusTelemetry({ logLevelMin, writeLog });
  registerProcessMetrics(telemetry);
  const clock = new DenoClock();
  const failing = new FailingParts(clock);
  const onFailure = (failure: ActorFailure) => {
    const { address, node, error, restarts, restartsInMs } = failure;
    if (restartsInMs !== undefined) return failing.add(failure);
    const actor = node === home.name ? address : `${address} in thread ${node}`;
    onFatal(
      new Error(`${actor} is stopped after ${counted(restarts, "restart")}: ${reasonOf(error)}`),
    );
  };
  const random = new DenoRandom();
  const home = new Node({
    name: homeNodeOf(host),
    clock,
    random,
    telemetry,
    tracing: new RecentSpans({ clock, random, exporter: openTelemetryTracing() }),
    onFailure,
  });
  onStep?.("opening the stores");
  const storage = await openStores(() => open(telemetry), { clock, telemetry, onStep });
  const background = BackgroundThreads.start(home.clock);
  const hugePages = HugePages.start(home.clock, largeMemories);
  let threads: WorkerThreads | undefined;
  return {
    home,
    stores: storage,
    dense: machineSessions(configuration, telemetry),
    failingParts: () => failing.current(),
    metrics: {
      snapshot: () => telemetry.snapshot(),
      render: (snapshots) => renderMetrics(snapshots as MetricsSnapshot[]),
      values: (snapshots) => mergeMetrics(snapshots as MetricsSnapshot[]),
    },
    async startNodes({ nodes, placement }: NodesRequest) {
      if (nodes.length === 0) return;
      threads = await startWorkerThreads({
        home,
        names: nodes.map(({ name }) => name),
        background: nodes.filter(({ background }) => background).map(({ name }) => name),
        entry: workerEntry,
        begun,
        placement,
        setup: { configuration, storage: sharedBy(storage) } satisfies WorkerSetup,
        onCrashed: (_name, cause) => onFatal(cause),
        onFailure,
      });
    },
    linkWorker: (remote) => present(threads, "only threads are linked").link(remote),
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
