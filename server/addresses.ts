/**
 * The addresses of the actors that a configuration asks for.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { partitionCountsOf } from "../configuration/partitions.ts";
import { presentPartitioning } from "../mesh/ports/partitioning.ts";
import { parsePlacedKey, type PlacedKey } from "../mesh/ports/coordination.ts";
import type { Address } from "../mesh/runtime/actor.ts";

/** Addresses. Parts of which each serving host has one take its name; undefined = one process. */
export const addresses = {
  ranker: (host?: string): Address => `ranker/${host ?? 0}`,
  retriever: (host?: string): Address => `retriever/${host ?? 0}`,
  featureKeeper: (shard: number): Address => `feature_keeper/${shard}`,
  catalogue: (host?: string): Address => `catalogue/${host ?? 0}`,
  scorer: (host?: string): Address => `scorer/${host ?? 0}`,
  joiner: (partition: number): Address => `joiner/${partition}`,
  parameterSync: "parameter_sync/0",
  rowFeed: (host?: string): Address => `row_feed/${host ?? 0}`,
  snapshotter: "snapshotter/0",
  trainer: (trainer: number): Address => `trainer/${trainer}`,
  embeddingShard: (shard: number, sharding: number): Address =>
    `embedding_shard/${inSharding(shard, sharding)}`,
  servingReplica: (shard: number, sharding: number, host?: string): Address =>
    `serving_replica/${inSharding(shard, sharding)}${host === undefined ? "" : `@${host}`}`,
} as const;

/**
 * The name of a shard. The shards of each sharding have names of their own: a process that does not
 * know of the newest one reaches none of its shards.
 */
function inSharding(shard: number, sharding: number): string {
  return sharding === 0 ? String(shard) : `${shard}#${sharding}`;
}

/** The number of the shard at an address of {@link addresses}. */
export function shardAt(address: string): number {
  return Number.parseInt(address.slice(address.indexOf("/") + 1), 10);
}

/** The sharding of the shard at an address of {@link addresses}. */
export function shardingAt(address: string): number {
  return Number(address.split("@")[0].split("#")[1] ?? 0);
}

/** The trainer that is there in every dealing; its host takes the snapshots. */
export const FIRST_TRAINER: PlacedKey = "trainer/0";

/** The actor that works on a shard or partition that the coordination store has placed. */
export function placedAddress(key: PlacedKey, sharding: number): Address {
  const { kind, number } = parsePlacedKey(key);
  switch (kind) {
    case "shard":
      return addresses.embeddingShard(number, sharding);
    case "events":
      return addresses.joiner(number);
    case "trainer":
      return addresses.trainer(number);
  }
}

/**
 * The actors that run where the store has placed the actor of a key, and go with it to its hosts:
 * each feature keeper follows the joiner of a partition of the event log, and parameter sync and
 * the snapshotter follow the first trainer.
 */
export function followersOf(
  key: PlacedKey,
  { featureKeeper, ...configuration }: Pick<
    CairnConfiguration,
    "featureKeeper" | "partitions" | "earlierPartitions"
  >,
): Address[] {
  if (key === FIRST_TRAINER) return [addresses.parameterSync, addresses.snapshotter];
  const { kind, number } = parsePlacedKey(key);
  if (kind !== "events") return [];
  const { events } = presentPartitioning(partitionCountsOf(configuration));
  return Array.from({ length: featureKeeper?.shards ?? 0 }, (_, keeper) => keeper)
    .filter((keeper) => events.first + keeper % events.count === number)
    .map(addresses.featureKeeper);
}

/** Kinds of actors that are where the coordination store says, where there is one. */
export const placedKinds: ReadonlySet<string> = new Set([
  "embedding_shard",
  "joiner",
  "feature_keeper",
  "trainer",
  "parameter_sync",
  "snapshotter",
]);
