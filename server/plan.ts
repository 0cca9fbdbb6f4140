/**
 * The actors that a configuration asks for, and the node (thread) of each.
 *
 *     main        gateway, ranker, joiner, parameter sync, snapshotter
 *     serving     scorer, serving replicas
 *     trainer-0…n one trainer each
 *     shards-1…n  embedding shards, dealt round robin
 *
 * With `placement: singleThread` all of them are in `main`.
 */
import type { JoinerOptions } from "../actors/joiner/options.ts";
import type { EmbeddingShardOptions } from "../actors/embedding_shard/options.ts";
import type { ParameterSyncOptions } from "../actors/parameter_sync/options.ts";
import type { RankerOptions } from "../actors/ranker/options.ts";
import type { ScorerOptions } from "../actors/scorer/options.ts";
import type { ServingReplicaOptions } from "../actors/serving_replica/options.ts";
import type { SnapshotterOptions } from "../actors/snapshotter/options.ts";
import type { TrainerOptions } from "../actors/trainer/options.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import type { StorageSection } from "../configuration/sections/mesh.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import type { PlannedActor } from "../mesh/runtime/mesh.ts";

export const homeNode = "main";

export const addresses = {
  ranker: "ranker/0",
  scorer: "scorer/0",
  joiner: "joiner/0",
  parameterSync: "parameter_sync/0",
  snapshotter: "snapshotter/0",
  trainer: (partition: number): Address => `trainer/${partition}`,
  embeddingShard: (shard: number): Address => `embedding_shard/${shard}`,
  servingReplica: (shard: number): Address => `serving_replica/${shard}`,
} as const;

/** A node other than the home node: a worker thread, or a simulated one. */
export interface PlannedNode {
  readonly name: string;
  /** Whether it only learns: its thread yields a busy core to the nodes that answer requests. */
  readonly background: boolean;
}

/** The nodes of the plan besides the home node. */
export function nodesOf(configuration: CairnConfiguration): PlannedNode[] {
  const { servingNodes, trainerNodes, shardNodes } = nodeNames(configuration);
  return [
    ...servingNodes.map((name) => ({ name, background: false })),
    ...[...trainerNodes, ...shardNodes].map((name) => ({ name, background: true })),
  ];
}

function nodeNames({ placement, shardCount, trainerCount }: CairnConfiguration) {
  if (placement.kind === "singleThread") {
    return { servingNodes: [], trainerNodes: [], shardNodes: [] };
  }
  const shardThreads = Math.min(placement.shardThreads, shardCount);
  return {
    servingNodes: ["serving"],
    trainerNodes: Array.from({ length: trainerCount }, (_, i) => `trainer-${i}`),
    shardNodes: Array.from({ length: shardThreads }, (_, i) => `shards-${i + 1}`),
  };
}

/**
 * The actors in start order. They stop in reverse order, so that readers end before the actors that
 * they read.
 */
export function planOf(configuration: CairnConfiguration): PlannedActor[] {
  const { shardCount, trainerCount, storage } = configuration;
  const shards = Array.from({ length: shardCount }, (_, shard) => shard);
  const trainers = Array.from({ length: trainerCount }, (_, partition) => partition);
  const { servingNodes: [servingNode = homeNode], trainerNodes, shardNodes } = nodeNames(
    configuration,
  );
  const shardNode = (shard: number) =>
    shardNodes.length > 0 ? shardNodes[shard % shardNodes.length] : homeNode;

  const plan: PlannedActor[] = [];
  const add = <O>(address: Address, node: string, options: O) => {
    const [kind, key] = address.split("/");
    plan.push({ kind, key, node, options });
  };
  for (const shard of shards) {
    add<EmbeddingShardOptions>(addresses.embeddingShard(shard), shardNode(shard), {
      ...configuration.embeddingShard,
      shard,
    });
  }
  for (const shard of shards) {
    add<ServingReplicaOptions>(addresses.servingReplica(shard), servingNode, {
      ...configuration.servingReplica,
      shard,
    });
  }
  const replicas = shards.map((shard) => [addresses.servingReplica(shard)]);
  for (const partition of trainers) {
    const address = addresses.trainer(partition);
    add<TrainerOptions>(address, trainerNodes[partition] ?? homeNode, {
      ...configuration.trainer,
      source: address,
      partition,
      shards: shards.map(addresses.embeddingShard),
    });
  }
  add<ScorerOptions>(addresses.scorer, servingNode, { ...configuration.scorer, replicas });
  add<RankerOptions>(addresses.ranker, homeNode, {
    ...configuration.ranker,
    scorer: addresses.scorer,
  });
  add<ParameterSyncOptions>(addresses.parameterSync, homeNode, {
    ...configuration.sync,
    shards: shards.map(addresses.embeddingShard),
    replicas,
    trainers: trainers.map(addresses.trainer),
    scorers: [addresses.scorer],
  });
  add<JoinerOptions>(addresses.joiner, homeNode, { ...configuration.joiner, partition: 0 });
  add<SnapshotterOptions>(addresses.snapshotter, homeNode, {
    trainers: trainers.map(addresses.trainer),
    shards: shards.map(addresses.embeddingShard),
    ...snapshotsOf(storage),
  });
  return plan;
}

function snapshotsOf(storage: StorageSection): Omit<SnapshotterOptions, "trainers" | "shards"> {
  if (storage.kind === "memory") {
    return { intervalMs: 1_000, spreadMs: 0, snapshotsKept: 0, budgetMs: 1_000 };
  }
  const { interval, spread, kept, budget } = storage.snapshots;
  return {
    intervalMs: interval,
    spreadMs: Math.min(spread, interval / 2, budget / 2),
    snapshotsKept: kept,
    budgetMs: budget,
  };
}
