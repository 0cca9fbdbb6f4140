/**
 * The composition: from a checked configuration to a running mesh with the HTTP door in front of it.
 *
 * The returned app listens on nothing; `serve`, `demo`, `replay` and tests decide how it is reached.
 */
import { LabelRules } from "../actors/joiner/label_rules.ts";
import type { TaskLabels } from "../actors/joiner/options.ts";
import type { JoinerMessage } from "../actors/joiner/protocol.ts";
import type { ParameterSyncMessage } from "../actors/parameter_sync/protocol.ts";
import type { RankerMessage } from "../actors/ranker/protocol.ts";
import type { SnapshotterMessage } from "../actors/snapshotter/protocol.ts";
import type { TrainerMessage } from "../actors/trainer/protocol.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { createGateway } from "../gateway/app.ts";
import { GatewayMemory } from "../gateway/memory/gateway_memory.ts";
import type { ActionLabels } from "../gateway/parts.ts";
import { createProfileCheck } from "../kernels/features/profile_check.ts";
import { DenoClock } from "../mesh/adapters/deno/deno_clock.ts";
import { DenoRandom } from "../mesh/adapters/deno/deno_random.ts";
import { letEngineYield } from "../mesh/adapters/linux/thread_priority.ts";
import { startWorkerPlaces, type WorkerPlaces } from "../mesh/adapters/deno/worker_thread.ts";
import { YieldingThreads } from "../mesh/adapters/linux/yielding_threads.ts";
import type { LogLine } from "../mesh/adapters/prometheus/log_lines.ts";
import { registerLogMetrics } from "../mesh/adapters/prometheus/log_metrics.ts";
import { registerProcessMetrics } from "../mesh/adapters/prometheus/process_metrics.ts";
import {
  type MetricsSnapshot,
  PrometheusTelemetry,
  renderMetrics,
} from "../mesh/adapters/prometheus/prometheus_telemetry.ts";
import type { LogLevel } from "../mesh/ports/telemetry.ts";
import type { ActorRef } from "../mesh/runtime/actor.ts";
import { reasonOf } from "../mesh/runtime/errors.ts";
import { Mesh, placementOf } from "../mesh/runtime/mesh.ts";
import { Node } from "../mesh/runtime/node.ts";
import { knownAttributes } from "./known_attributes.ts";
import { computingDefinitions, leadingDefinitions } from "./definitions.ts";
import { addresses, homeNode, learningNames, planOf, workerNames } from "./plan.ts";
import { type MeshStorage, openStorage } from "./storage.ts";
import { nodeMetrics } from "./node_metrics.ts";
import { Trainers } from "./trainers.ts";
import type { WorkerSetup } from "./worker.ts";

export interface StartMeshOptions {
  /** Takes each log line that is at least `logLevelMin`. Default: none are written. */
  readonly writeLog?: (line: LogLine) => void;
  /** Default `info`. */
  readonly logLevelMin?: LogLevel;
  /** A part is gone for good (an actor used up its restarts, a thread crashed). The mesh should be stopped. */
  readonly onFatal?: (error: Error) => void;
}

/** A mesh at work. */
export interface RunningMesh {
  readonly configuration: CairnConfiguration;
  /** Answers one HTTP request; what a server or a test calls. */
  readonly fetch: (request: Request) => Response | Promise<Response>;
  readonly ranker: ActorRef<RankerMessage>;
  readonly joiner: ActorRef<JoinerMessage>;
  readonly trainers: Trainers;
  readonly parameterSync: ActorRef<ParameterSyncMessage>;
  /** Undefined where storage is memory: there is nothing to resume from. */
  readonly snapshotter: ActorRef<SnapshotterMessage> | undefined;
  readonly mesh: Mesh;
  /** All threads' metrics in Prometheus' text format. */
  metricsText(): Promise<string>;
  /**
   * Resolves when the mesh can rank.
   *
   * @throws {Error} When it cannot within `budgetMs` (default 60,000); says what the ranker said last.
   */
  waitReady(budgetMs?: number): Promise<void>;
  /**
   * Resolves when every record that the event log holds now is joined, and every example made of them is trained on.
   *
   * @throws {Error} When that takes longer than `budgetMs` (default 60,000).
   */
  waitLearned(budgetMs?: number): Promise<void>;
  /** Handles what waits, ends the actors, closes the stores. Idempotent. */
  stop(): Promise<void>;
}

const pollMs = 20;
const askBudgetMs = 5_000;

/** For the last snapshot: within the 30 s and more that Kubernetes and systemd wait before they kill a server. */
const lastSnapshotBudgetMs = 20_000;

/**
 * Opens the stores, starts the threads and the actors.
 *
 * @throws {Error} When a part cannot start; what had started is stopped.
 */
export async function startMesh(
  configuration: CairnConfiguration,
  options: StartMeshOptions = {},
): Promise<RunningMesh> {
  const telemetry = new PrometheusTelemetry({
    logLevelMin: options.logLevelMin ?? "info",
    writeLog: options.writeLog ?? (() => {}),
  });
  registerProcessMetrics(telemetry);
  letEngineYield();
  const fatal = options.onFatal ?? (() => {});
  const home = new Node({
    name: homeNode,
    clock: new DenoClock(),
    random: new DenoRandom(),
    telemetry,
    onFailure: ({ address, error, restarts }) =>
      fatal(new Error(`${address} is stopped after ${restarts} restarts: ${reasonOf(error)}`)),
  });
  const workers = workerNames(configuration);
  const storage = await openStorage(
    configuration.storage,
    configuration.trainerCount,
    workers.length > 0,
  );
  registerLogMetrics(telemetry, { events: storage.eventLog, examples: storage.exampleLog });
  const mesh = new Mesh({
    home,
    composition: {
      definitions: [
        ...leadingDefinitions(storage),
        ...computingDefinitions(configuration, storage, telemetry),
      ],
      metrics: nodeMetrics(home, telemetry),
    },
  });
  let places: WorkerPlaces | undefined;
  let started = false;
  const yielding = YieldingThreads.open()?.watch(home.clock);
  const stop = once(async () => {
    yielding?.stop();
    if (started) await lastSnapshot(mesh, configuration, telemetry);
    const abandoned = await mesh.stop();
    for (const [address, count] of Object.entries(abandoned)) {
      telemetry.log("warn", `${address} was stopped with messages unhandled`, { count });
    }
    places?.close();
    await storage.close();
  });
  try {
    const plan = planOf(configuration);
    if (workers.length > 0) {
      places = await startWorkerPlaces({
        home,
        names: workers,
        yielding: learningNames(configuration),
        entry: new URL("./worker.ts", import.meta.url),
        placement: placementOf(plan),
        setup: { configuration, storage: storage.shared! } satisfies WorkerSetup,
        onCrashed: (_name, cause) => fatal(cause),
        onFailure: ({ address, node, error, restarts }) =>
          fatal(
            new Error(
              `${address} in thread ${node} is stopped after ${restarts} restarts: ${
                reasonOf(error)
              }`,
            ),
          ),
      });
    }
    await mesh.start(plan);
    started = true;
    return await openDoor(configuration, { home, mesh, storage, telemetry, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Taken when the mesh is told to stop, so that the next start has nothing to learn again. */
async function lastSnapshot(
  mesh: Mesh,
  { storage }: CairnConfiguration,
  telemetry: PrometheusTelemetry,
): Promise<void> {
  if (storage.kind !== "directory") return;
  const snapshotter = mesh.actorRef<SnapshotterMessage>(addresses.snapshotter);
  const budget = { budgetMs: lastSnapshotBudgetMs };
  await snapshotter.ask({ kind: "takeSnapshot" }, budget).catch((cause) => {
    telemetry.log("warn", "no snapshot at the end; the next start learns again from the last one", {
      cause,
    });
  });
}

interface Started {
  readonly home: Node;
  readonly mesh: Mesh;
  readonly storage: MeshStorage;
  readonly telemetry: PrometheusTelemetry;
  stop(): Promise<void>;
}

async function openDoor(
  configuration: CairnConfiguration,
  { home, mesh, storage, telemetry, stop }: Started,
): Promise<RunningMesh> {
  const { clock, random } = home;
  const ranker = mesh.actorRef<RankerMessage>(addresses.ranker);
  const joiner = mesh.actorRef<JoinerMessage>(addresses.joiner);
  const trainers = new Trainers(
    Array.from(
      { length: configuration.trainerCount },
      (_, partition) => mesh.actorRef<TrainerMessage>(addresses.trainer(partition)),
    ),
  );
  const metricsText = async () => renderMetrics(await mesh.metrics() as MetricsSnapshot[]);
  const app = createGateway({
    ranker,
    trainers: trainers.all,
    eventLog: storage.eventLog,
    exampleLog: storage.exampleLog,
    profiles: storage.profiles,
    telemetry,
    clock,
    random,
    options: configuration.gateway,
    memory: await GatewayMemory.recall(
      storage.eventLog,
      clock,
      configuration.gateway,
      telemetry,
    ),
    checkProfile: createProfileCheck(configuration.features.schema),
    attributes: knownAttributes(configuration.features.schema),
    labels: actionLabels(configuration.joiner.tasks),
    metricsText,
  });

  /** Asks again and again until the answer is the one that is waited for. */
  const until = async (what: string, budgetMs: number, holds: () => Promise<true | string>) => {
    const deadlineMs = clock.monotonicMs() + budgetMs;
    for (;;) {
      const state = await holds().catch(reasonOf);
      if (state === true) return;
      if (clock.monotonicMs() >= deadlineMs) {
        throw new Error(`${what} within ${budgetMs} ms: ${state}`);
      }
      await new Promise<void>((resolve) => clock.schedule(pollMs, resolve));
    }
  };
  return {
    configuration,
    fetch: (request) => app.fetch(request),
    ranker,
    joiner,
    trainers,
    parameterSync: mesh.actorRef<ParameterSyncMessage>(addresses.parameterSync),
    snapshotter: configuration.storage.kind === "directory"
      ? mesh.actorRef<SnapshotterMessage>(addresses.snapshotter)
      : undefined,
    mesh,
    metricsText,
    waitReady: (budgetMs = 60_000) =>
      until("The mesh is not ready", budgetMs, async () => {
        const status = await ranker.ask({ kind: "getStatus" }, { budgetMs: askBudgetMs });
        return status.ready || "the ranker has no weights yet, or its replicas do not answer";
      }),
    async waitLearned(budgetMs = 60_000) {
      const accepted = await storage.eventLog.endOffset(0);
      await until("The mesh has not learned everything", budgetMs, async () => {
        const { offset } = await joiner.ask({ kind: "getStatus" }, { budgetMs: askBudgetMs });
        if (offset < accepted) return `${accepted - offset} of ${accepted} events are not joined`;
        const ends = await Promise.all(
          trainers.all.map((_, partition) => storage.exampleLog.endOffset(partition)),
        );
        const { offsets, diverged } = await trainers.status();
        if (diverged !== undefined) throw new Error(diverged);
        const behind = ends.findIndex((end, partition) => offsets[partition] < end);
        return behind < 0 || `${ends[behind] - offsets[behind]} of ${ends[behind]} chunks of ` +
            `examples in partition ${behind} are not trained on`;
      });
    },
    stop,
  };
}

/** What the joiner will make of an action, for the gateway to say at once. */
function actionLabels(tasks: readonly TaskLabels[]): ActionLabels {
  const rules = tasks.flatMap((task) => task.rules);
  const judge = new LabelRules(tasks);
  const [{ action, atLeast, below }] = rules;
  const value = atLeast ?? (below === undefined ? undefined : below - 1);
  return {
    decides: (action, value) => judge.judge(action, value) !== undefined,
    actions: [...new Set(rules.map((rule) => rule.action))],
    example: { action, ...(value !== undefined && { value }) },
  };
}

/** The function, run at most once; every caller gets the one outcome. */
function once(run: () => Promise<void>): () => Promise<void> {
  let outcome: Promise<void> | undefined;
  return () => outcome ??= run();
}
