/**
 * The composition: from a checked configuration and an environment to a running mesh with its HTTP
 * interface.
 *
 * Nothing here touches the machine. The returned `fetch` listens on no port; the caller decides how
 * requests reach it.
 */
import type { JoinerMessage } from "../actors/joiner/protocol.ts";
import type { ParameterSyncMessage } from "../actors/parameter_sync/protocol.ts";
import type { RankerMessage } from "../actors/ranker/protocol.ts";
import type { ServingReplicaMessage } from "../actors/serving_replica/protocol.ts";
import type { SnapshotterMessage } from "../actors/snapshotter/protocol.ts";
import type { TrainerMessage } from "../actors/trainer/protocol.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { createGateway } from "../gateway/app.ts";
import { GatewayMemory } from "../gateway/memory/gateway_memory.ts";
import { recallFromLogs } from "../gateway/memory/log_recall.ts";
import { createProfileCheck } from "../kernels/features/profile_check.ts";
import type { ActorRef } from "../mesh/runtime/actor.ts";
import { Mesh, placementOf } from "../mesh/runtime/mesh.ts";
import { actionLabels } from "./action_labels.ts";
import { computingDefinitions, leadingDefinitions } from "./definitions.ts";
import type { Environment, MeshStores } from "./environment.ts";
import { knownAttributes } from "./known_attributes.ts";
import { nodeMetrics } from "./node_metrics.ts";
import { addresses, nodesOf, planOf } from "./plan.ts";
import { StartProgress } from "./start_progress.ts";
import { Trainers } from "./trainers.ts";

/** A mesh at work. */
export interface RunningMesh {
  readonly configuration: CairnConfiguration;
  /** Answers one HTTP request. */
  readonly fetch: (request: Request) => Response | Promise<Response>;
  readonly ranker: ActorRef<RankerMessage>;
  readonly joiner: ActorRef<JoinerMessage>;
  readonly trainers: Trainers;
  readonly parameterSync: ActorRef<ParameterSyncMessage>;
  /** Undefined where storage is memory: there is nothing to resume from. */
  readonly snapshotter: ActorRef<SnapshotterMessage> | undefined;
  readonly mesh: Mesh;
  readonly stores: MeshStores;
  /** The metrics of all nodes in Prometheus' text format. */
  metricsText(): Promise<string>;
  /**
   * Takes a last snapshot, handles waiting messages, ends the actors, closes the environment.
   * Idempotent.
   */
  stop(): Promise<void>;
}

/**
 * Budget for making an actor, ms: a shard takes as long as its rows need. Where its thread ends,
 * the ask fails at once.
 */
const SPAWN_BUDGET_MS = 7 * 24 * 3_600_000;

/**
 * Budget of the last snapshot: below the 30 s and more that Kubernetes and systemd wait before they
 * kill, ms.
 */
const LAST_SNAPSHOT_BUDGET_MS = 20_000;

export interface ComposeOptions {
  /** Takes the current step of the start, in words. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/**
 * Starts the nodes and the actors of the configuration's plan, then the gateway in front of them.
 * The start has no time limit; its progress is logged.
 *
 * @throws {Error} When a part cannot start; then everything that had started is stopped and
 * `environment` is closed.
 */
export async function compose(
  configuration: CairnConfiguration,
  environment: Environment,
  { onStep }: ComposeOptions = {},
): Promise<RunningMesh> {
  const { home, stores, dense, metrics } = environment;
  const definitions = [
    ...leadingDefinitions(stores),
    ...computingDefinitions({ ...stores, dense }),
  ];
  const mesh = new Mesh({
    home,
    spawnBudgetMs: SPAWN_BUDGET_MS,
    composition: {
      definitions: definitions.map((each) => environment.observe?.(each) ?? each),
      metrics: nodeMetrics(home, metrics),
    },
  });
  let started = false;
  const stop = once(async () => {
    environment.beginStop?.();
    if (started) await takeLastSnapshot(mesh, configuration);
    const abandoned = await mesh.stop();
    for (const [address, count] of Object.entries(abandoned)) {
      home.telemetry.log("warn", `${address} was stopped with messages unhandled`, { count });
    }
    await environment.close();
  });
  const progress = new StartProgress({ clock: home.clock, telemetry: home.telemetry, onStep });
  try {
    const plan = planOf(configuration);
    const nodes = nodesOf(configuration);
    if (nodes.length > 0) {
      progress.enter(`starting ${nodes.length} threads`);
      await environment.startNodes({ nodes, placement: placementOf(plan) });
    }
    await mesh.start(plan, ({ kind, key }, index) => {
      progress.enter(`making ${kind}/${key}, actor ${index + 1} of ${plan.length}`);
    });
    started = true;
    progress.enter("opening the gateway");
    return await openGateway(configuration, environment, mesh, stop);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    progress.end();
  }
}

/** Taken when the mesh is told to stop, so that the next start has nothing to learn again. */
async function takeLastSnapshot(mesh: Mesh, { storage }: CairnConfiguration): Promise<void> {
  if (storage.kind !== "directory") return;
  const snapshotter = mesh.actorRef<SnapshotterMessage>(addresses.snapshotter);
  const budget = { budgetMs: LAST_SNAPSHOT_BUDGET_MS };
  await snapshotter.ask({ kind: "takeSnapshot" }, budget).catch((cause) => {
    const lost = "no snapshot at the end; the next start learns again from the last one";
    mesh.home.telemetry.log("warn", lost, { cause });
  });
}

async function openGateway(
  configuration: CairnConfiguration,
  environment: Environment,
  mesh: Mesh,
  stop: () => Promise<void>,
): Promise<RunningMesh> {
  const { home, stores, metrics } = environment;
  const { clock, random, telemetry } = home;
  for (const warning of configuration.warnings) telemetry.log("warn", warning);
  const ranker = mesh.actorRef<RankerMessage>(addresses.ranker);
  const trainers = new Trainers(
    Array.from(
      { length: configuration.trainerCount },
      (_, partition) => mesh.actorRef<TrainerMessage>(addresses.trainer(partition)),
    ),
  );
  const metricsText = async () => metrics.render(await mesh.metrics());
  const { schema } = configuration.features;
  const memory = new GatewayMemory(clock, configuration.gateway);
  const recall = await recallFromLogs(memory, { ...stores, clock, telemetry });
  const app = createGateway({
    ranker,
    trainers: trainers.all,
    eventLog: stores.eventLog,
    exampleLog: stores.exampleLog,
    joiner: mesh.actorRef<JoinerMessage>(addresses.joiner),
    replicas: Array.from(
      { length: configuration.shardCount },
      (_, shard) => mesh.actorRef<ServingReplicaMessage>(addresses.servingReplica(shard)),
    ),
    failingParts: () => environment.failingParts?.() ?? [],
    profiles: stores.profiles,
    telemetry,
    clock,
    random,
    options: configuration.gateway,
    memory,
    checkProfile: createProfileCheck(schema),
    attributes: knownAttributes(schema, configuration.gateway.attributeTypes),
    labels: actionLabels(configuration.joiner.tasks),
    metricsText,
  });
  return {
    configuration,
    fetch: (request) => app.fetch(request),
    ranker,
    joiner: mesh.actorRef<JoinerMessage>(addresses.joiner),
    trainers,
    parameterSync: mesh.actorRef<ParameterSyncMessage>(addresses.parameterSync),
    snapshotter: configuration.storage.kind === "directory"
      ? mesh.actorRef<SnapshotterMessage>(addresses.snapshotter)
      : undefined,
    mesh,
    stores,
    metricsText,
    async stop() {
      await recall.stop();
      await stop();
    },
  };
}

/** The function, run at most once; every caller gets the one outcome. */
function once(run: () => Promise<void>): () => Promise<void> {
  let outcome: Promise<void> | undefined;
  return () => outcome ??= run();
}
