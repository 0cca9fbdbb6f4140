/**
 * The gateway in front of a mesh whose actors have started.
 */
import type { FeatureKeeperMessage } from "../actors/feature_keeper/protocol.ts";
import type { EmbeddingShardMessage } from "../actors/embedding_shard/protocol.ts";
import type { JoinerMessage } from "../actors/joiner/protocol.ts";
import type { RankerMessage } from "../actors/ranker/protocol.ts";
import type { RowFeedMessage } from "../actors/row_feed/protocol.ts";
import type { ServingReplicaMessage } from "../actors/serving_replica/protocol.ts";
import type { SnapshotterMessage } from "../actors/snapshotter/protocol.ts";
import type { TrainerMessage } from "../actors/trainer/protocol.ts";
import { createGateway } from "../gateway/app.ts";
import { MarkWriter } from "../gateway/mark_writer.ts";
import { Console } from "../gateway/console/console.ts";
import type { ErasureParts } from "../gateway/erasure/erasure_parts.ts";
import { Erasures } from "../gateway/erasure/erasures.ts";
import { GatewayMemory } from "../gateway/memory/gateway_memory.ts";
import { recallFromLogs } from "../gateway/memory/log_recall.ts";
import { StoredItems } from "../gateway/memory/stored_items.ts";
import { createProfileCheck } from "../kernels/features/profile_check.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { partitionCountsOf } from "../configuration/partitions.ts";
import { joinedPartitions, type MeshView } from "../mesh/ports/coordination.ts";
import { numbersOf } from "../mesh/ports/partitioning.ts";
import { withEarlierReplicas } from "../mesh/ports/reshard_progress.ts";
import type { ActorRef } from "../mesh/runtime/actor.ts";
import { actionLabels } from "./action_labels.ts";
import { consoleSources } from "./console_sources.ts";
import type { Environment, HostEnvironment, MeshStores } from "./environment.ts";
import { knownAttributes } from "./known_attributes.ts";
import { Joiners } from "./joiners.ts";
import { OtherGateways, shareGateway } from "./other_gateways.ts";
import { addresses } from "./addresses.ts";
import { servingHosts } from "./layout.ts";
import { hostsServing, servingWith } from "./serving_hosts.ts";
import { ServingReplicas } from "./serving_replicas.ts";
import type { RunningHost, StartedActors } from "./start_actors.ts";
import { Trainers } from "./trainers.ts";
import { unlistedHostText } from "./unlisted_hosts.ts";

/** A mesh at work, with its HTTP API. */
export interface RunningMesh extends RunningHost {
  /** Undefined = the only process. */
  readonly host: string | undefined;
  readonly ranker: ActorRef<RankerMessage>;
  readonly joiners: Joiners;
  readonly trainers: Trainers;
  /** The feed of the replicas here. */
  readonly rowFeed: ActorRef<RowFeedMessage>;
  /** Undefined where storage is memory: there is nothing to resume from. */
  readonly snapshotter: ActorRef<SnapshotterMessage> | undefined;
  readonly stores: MeshStores;
  /** Reads the coordination store; absent = nothing is placed by one. */
  readonly meshView?: () => Promise<MeshView>;
}

/** The parts of an environment that a gateway uses. */
export type GatewayEnvironment = Pick<Environment, "home" | "metrics" | "failingParts"> & {
  readonly stores: MeshStores;
  readonly links?: HostEnvironment["links"];
  /** Undefined = the only process. */
  readonly host?: string;
};

/**
 * Opens the gateway while the actors are made. Its ranker is the one of this process.
 *
 * @throws {Error} When an actor cannot be made, or the logs cannot be read.
 */
export async function openGateway(
  environment: GatewayEnvironment,
  started: StartedActors,
): Promise<RunningMesh> {
  const { mesh, stop, meshView } = started;
  const configuration = started.configuration();
  const { home, stores, metrics, host } = environment;
  const { clock, random, telemetry } = home;
  for (const warning of configuration.warnings) telemetry.log("warn", warning);
  const ranker = mesh.actorRef<RankerMessage>(addresses.ranker(host));
  const joiners = new Joiners(() =>
    numbersOf(joinedPartitions(partitionCountsOf(started.configuration()))).map((partition) => ({
      partition,
      actor: mesh.actorRef<JoinerMessage>(addresses.joiner(partition)),
    }))
  );
  const trainers = new Trainers(() => trainersOf(started));
  const metricsText = async () => metrics.render(await mesh.metrics());
  const { values } = metrics;
  const others = new OtherGateways(configuration, mesh, host);
  const console = values !== undefined && configuration.gateway.console
    ? new Console({
      clock,
      telemetry,
      sources: consoleSources(configuration, { ...environment, values, others }, started),
    })
    : undefined;
  const { schema } = configuration.features;
  const memory = new GatewayMemory(clock, configuration.gateway);
  const activity = console && { activity: console.activity };
  await shareGateway(configuration, mesh, host, { memory, eventLog: stores.eventLog, ...activity });
  const recall = await recallFromLogs(memory, { ...stores, clock, telemetry });
  const { acceptanceClock } = memory;
  const storedItems = new StoredItems({
    profiles: stores.profiles,
    pool: memory.items,
    clock,
    telemetry,
  });
  // A log that grows may get more partitions than one.
  const markWriter = stores.eventLog.partitions > 1 || stores.eventLog.extend !== undefined
    ? new MarkWriter({ eventLog: stores.eventLog, acceptanceClock, clock, telemetry })
    : undefined;
  const erasures = erasuresOf(environment, started, { memory, others, ...activity });
  const app = createGateway({
    erasures,
    ranker,
    trainers: () => trainers.all,
    eventLog: stores.eventLog,
    exampleLog: stores.exampleLog,
    joiners: () => joiners.all,
    replicas: replicasOf(started, host),
    shards: () => shardsOf(started),
    failingParts: () => environment.failingParts?.() ?? [],
    unplacedParts: () => started.unplacedParts?.() ?? [],
    leaseEnd: () => started.leaseEnd?.(),
    snapshotFailures: started.snapshotFailures,
    links: () => environment.links?.() ?? [],
    ...(started.joinedHosts && { joinedHosts: started.joinedHosts }),
    unlistedHosts: () => (started.unlistedHosts?.() ?? []).map(unlistedHostText),
    profiles: stores.profiles,
    storedItems,
    ...(stores.sharedRankings && { sharedRankings: stores.sharedRankings }),
    ...(host !== undefined && { otherGateways: others }),
    telemetry,
    clock,
    random,
    tracing: home.tracing,
    options: configuration.gateway,
    memory,
    ...(markWriter && { markWriter }),
    checkProfile: createProfileCheck(schema),
    attributes: knownAttributes(schema, configuration.gateway.attributeTypes),
    labels: actionLabels(configuration.joiner, configuration.featureKeeper?.features ?? []),
    metricsText,
    ...(console && { console }),
  });
  await started.made.catch(async (error) => {
    await recall.stop();
    throw error;
  });
  console?.start();
  markWriter?.start();
  await erasures.start();
  return {
    get configuration() {
      return started.configuration();
    },
    fetch: (request) => app.fetch(request),
    host,
    ranker,
    joiners,
    trainers,
    rowFeed: mesh.actorRef<RowFeedMessage>(addresses.rowFeed(host)),
    snapshotter: configuration.storage.kind === "memory"
      ? undefined
      : mesh.actorRef<SnapshotterMessage>(addresses.snapshotter),
    mesh,
    stores,
    ...(meshView && { meshView }),
    metricsText,
    async stop() {
      console?.stop();
      await markWriter?.stop();
      await erasures.stop();
      await recall.stop();
      await storedItems.stop();
      await stop();
    },
  };
}

/** The erasures of users, which this gateway follows for as long as it runs. */
function erasuresOf(
  { home: { clock, random, telemetry }, stores, host }: GatewayEnvironment,
  started: StartedActors,
  { others, ...kept }: Pick<ErasureParts, "memory" | "activity"> & {
    readonly others: OtherGateways;
  },
): Erasures {
  const { mesh, meshView } = started;
  const configuration = started.configuration();
  return new Erasures({
    ...stores,
    ...kept,
    partitionings: () => partitionCountsOf(started.configuration()),
    keepers: Array.from(
      { length: configuration.featureKeeper?.shards ?? 0 },
      (_, i) => mesh.actorRef<FeatureKeeperMessage>(addresses.featureKeeper(i)),
    ),
    rowFeeds: async () => {
      const present = meshView === undefined
        ? servingHosts(configuration)
        : servingWith(await meshView(), host);
      return new Map(
        present.map((
          each,
        ) => [each ?? "this process", mesh.actorRef<RowFeedMessage>(addresses.rowFeed(each))]),
      );
    },
    clock,
    random,
    telemetry,
    options: configuration.gateway,
    ...(host !== undefined && { host, forgetElsewhere: (user) => others.forget(user) }),
    ...(meshView && {
      hostsServing: async () => hostsServing(await meshView()),
      withEarlierReplicas: async () => withEarlierReplicas(await meshView()),
    }),
  });
}

/** The replicas on this host; found anew when the divisions of the mesh change. */
function replicasOf(
  { mesh, configuration }: StartedActors,
  host: string | undefined,
): () => readonly ActorRef<ServingReplicaMessage>[] {
  let of: CairnConfiguration | undefined;
  let held: readonly ActorRef<ServingReplicaMessage>[] = [];
  return () => {
    const present = configuration();
    if (of === present) return held;
    of = present;
    held = new ServingReplicas(present).heldBy(host).map(({ replica }) => mesh.actorRef(replica));
    return held;
  };
}

function trainersOf({ mesh, configuration }: StartedActors): ActorRef<TrainerMessage>[] {
  const { trainerCount } = configuration();
  return Array.from(
    { length: trainerCount },
    (_, trainer) => mesh.actorRef(addresses.trainer(trainer)),
  );
}

function shardsOf({ mesh, configuration }: StartedActors): ActorRef<EmbeddingShardMessage>[] {
  const { shardCount, sharding } = configuration();
  return Array.from(
    { length: shardCount },
    (_, shard) => mesh.actorRef(addresses.embeddingShard(shard, sharding)),
  );
}
