/**
 * The actors that a configuration asks for, with the node (thread) and the options of each.
 */
import type { FeatureKeeperOptions } from "../actors/feature_keeper/options.ts";
import type { JoinerOptions } from "../actors/joiner/options.ts";
import type { EmbeddingShardOptions } from "../actors/embedding_shard/options.ts";
import type { ParameterSyncOptions } from "../actors/parameter_sync/options.ts";
import type { RankerOptions } from "../actors/ranker/options.ts";
import type { CatalogueOptions } from "../actors/catalogue/options.ts";
import type { RetrieverOptions } from "../actors/retriever/options.ts";
import type { RowFeedOptions } from "../actors/row_feed/options.ts";
import type { ScorerOptions } from "../actors/scorer/options.ts";
import type { ServingReplicaOptions } from "../actors/serving_replica/options.ts";
import type { SnapshotterOptions } from "../actors/snapshotter/options.ts";
import type { TrainerOptions } from "../actors/trainer/options.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import type { StorageSection } from "../configuration/sections/mesh.ts";
import type { HostThreads } from "../mesh/ports/coordination.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import type { PlannedActor } from "../mesh/runtime/mesh.ts";
import { numbersBelow } from "../structures/numbers_below.ts";
import { boundsPerJoiner, partitionCountsOf } from "../configuration/partitions.ts";
import {
  eventsOfExamples,
  numbersOf,
  partitioningsOf,
  partitionTotals,
  presentPartitioning,
} from "../mesh/ports/partitioning.ts";
import { addresses } from "./addresses.ts";
import { homeNodeOf, Layout } from "./layout.ts";
import { ServingReplicas } from "./serving_replicas.ts";

/**
 * The actors in start order. They stop in reverse order, so that readers end before the actors that
 * they read.
 *
 * @param told Threads by host, of those that have told them; others have those of this file.
 */
export function planOf(
  configuration: CairnConfiguration,
  told: ReadonlyMap<string, HostThreads> = new Map(),
): PlannedActor[] {
  const { shardCount, sharding, trainerCount, dealing, storage } = configuration;
  const partitionings = partitionCountsOf(configuration);
  const present = presentPartitioning(partitionings);
  const totals = partitionTotals(partitionings);
  const layout = new Layout(configuration, told);
  const shards = numbersBelow(shardCount);
  const shardAddresses = shards.map((shard) => addresses.embeddingShard(shard, sharding));
  const trainers = numbersBelow(trainerCount);
  const trainerAddresses = trainers.map(addresses.trainer);
  const serving = layout.with("serving");
  const replicas = new ServingReplicas(configuration);

  const plan: PlannedActor[] = [];
  const add = <O>(address: Address, node: string, options: O, needsNone = false) => {
    const [kind, key] = address.split("/");
    plan.push({ kind, key, node, options, ...(needsNone && { needsNone }) });
  };
  for (const shard of shards) {
    add<EmbeddingShardOptions>(shardAddresses[shard], layout.shard(shard), {
      ...configuration.embeddingShard,
      shard,
    });
  }
  for (const { host } of serving) {
    for (const { shard, replica } of replicas.heldBy(host)) {
      const options = {
        ...configuration.servingReplica,
        shard,
        rowFeed: addresses.rowFeed(host),
      };
      add<ServingReplicaOptions>(replica, layout.serving(host), options, true);
    }
  }
  for (const { host } of serving) {
    const options = {
      ...configuration.scorer,
      parameterSync: addresses.parameterSync,
      rowFeed: addresses.rowFeed(host),
      sharding,
      replicas: replicas.askedBy(host),
    };
    add<ScorerOptions>(addresses.scorer(host), layout.serving(host), options, true);
  }
  for (const trainer of trainers) {
    const address = addresses.trainer(trainer);
    const own = partitionsOfTrainer(configuration, trainer);
    add<TrainerOptions>(address, layout.trainer(trainer), {
      ...configuration.trainer,
      trainer,
      name: address,
      dealing,
      partitions: own,
      ...(partitionings.length > 1 && {
        partitionedFrom: { second: partitionings[0].examples, present: present.examples.first },
      }),
      parameterSync: addresses.parameterSync,
      joiners: own.map((partition) => addresses.joiner(eventsOfExamples(partitionings, partition))),
      shards: shardAddresses,
    }, true);
  }
  const { featureKeeper } = configuration;
  const keeperShards = numbersBelow(featureKeeper?.shards ?? 0);
  const keepers = keeperShards.map(addresses.featureKeeper);
  if (featureKeeper !== undefined) {
    for (const shard of keeperShards) {
      add<FeatureKeeperOptions>(addresses.featureKeeper(shard), layout.home("joiner"), {
        ...featureKeeper,
        shard,
        extent: { firstPartition: present.events.first, partitions: totals.events },
      });
    }
  }
  for (const { host } of serving) {
    const { retriever } = configuration;
    if (retriever !== undefined) {
      const options = { ...retriever, scorer: addresses.scorer(host) };
      add<RetrieverOptions>(addresses.retriever(host), layout.serving(host), options);
    }
    add<RankerOptions>(addresses.ranker(host), homeNodeOf(host), {
      ...configuration.ranker,
      scorer: addresses.scorer(host),
      keepers,
      ...(retriever && { retriever: addresses.retriever(host) }),
    });
    if (retriever !== undefined) {
      const options = { retriever: addresses.retriever(host) };
      add<CatalogueOptions>(addresses.catalogue(host), homeNodeOf(host), options);
    }
  }
  // Behind the shards: a feed asks those of this process at once.
  for (const { host } of serving) {
    add<RowFeedOptions>(addresses.rowFeed(host), layout.serving(host), {
      ...configuration.rowFeed,
      sharding,
      replicas: replicas.heldBy(host).map(({ shard, replica }) => ({
        replica,
        shard: shardAddresses[shard],
      })),
      scorer: addresses.scorer(host),
      asked: replicas.askedBy(host),
    });
  }
  add<ParameterSyncOptions>(addresses.parameterSync, layout.home("trainer"), {
    ...configuration.sync,
    shards: shardAddresses,
    trainers: trainerAddresses,
    dealing,
    scorers: serving.map(({ host }) => addresses.scorer(host)),
  });
  for (const { events } of partitioningsOf(partitionings).slice(-2)) {
    for (const partition of numbersOf(events)) {
      add<JoinerOptions>(addresses.joiner(partition), layout.joiner(partition), {
        ...configuration.joiner,
        ...boundsPerJoiner(configuration.joinerBounds, events.count),
        partition,
        partitionings,
      });
    }
  }
  add<SnapshotterOptions>(addresses.snapshotter, layout.home("trainer"), {
    trainers: trainerAddresses,
    dealing,
    partitions: totals.examples,
    shards: shardAddresses,
    ...snapshotsOf(storage),
  });
  return plan;
}

/** The partitions of the example log that a trainer reads, ended ones included, ascending. */
export function partitionsOfTrainer(
  { trainerCount, ...configuration }: Pick<
    CairnConfiguration,
    "partitions" | "earlierPartitions" | "trainerCount"
  >,
  trainer: number,
): number[] {
  const { examples } = partitionTotals(partitionCountsOf(configuration));
  return numbersBelow(examples).filter((partition) => partition % trainerCount === trainer);
}

function snapshotsOf(
  storage: StorageSection,
): Omit<SnapshotterOptions, "trainers" | "dealing" | "partitions" | "shards"> {
  if (storage.kind === "memory") {
    const none = { spreadMs: 0, snapshotsRetained: 0, incrementsMax: 0, incrementsShare: 0 };
    return { ...none, intervalMs: 1_000, budgetMs: 1_000 };
  }
  const { interval, spread, retained, budget, increments, incrementsShare } = storage.snapshots;
  return {
    intervalMs: interval,
    spreadMs: Math.min(spread, interval / 2, budget / 2),
    snapshotsRetained: retained,
    incrementsMax: increments,
    incrementsShare,
    budgetMs: budget,
  };
}
