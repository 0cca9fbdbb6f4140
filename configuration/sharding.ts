/**
 * The options that depend on the numbers of shards and trainers. A mesh with a coordination store
 * changes these numbers while it runs, so the options are derived again.
 */
import { type MeshIdentity, partitionCountsOf } from "../mesh/ports/coordination.ts";
import type { PartitionCounts } from "../mesh/ports/partitioning.ts";
import { present } from "../structures/invariant.ts";
import type { CairnConfiguration } from "./configuration.ts";
import { rowClassesOf } from "./row_classes.ts";
import type { CairnFile } from "./schema.ts";
import { servedShareOf, servingBytesPerShard } from "./serving_memory.ts";

/** The memory of the tables of all shards. */
export interface ShardMemory {
  readonly trainingBytes: number;
  /** Absent = as many as the rows of full training tables need. */
  readonly servingBytes?: number;
  /** Bytes of serving tables per byte of the training tables whose rows they hold. */
  readonly servedShare: number;
  /** Classes of rows, each with a table of its own in every shard. */
  readonly classes: number;
}

/**
 * The divisions of the feature ids among shards, of the partitions among trainers, and of the
 * rankings among partitions.
 */
export interface Divisions {
  /** Number of the sharding; another one after each change of the number of shards. */
  readonly sharding: number;
  readonly shards: number;
  /** Number of the dealing; another one after each change of the number of trainers. */
  readonly dealing: number;
  readonly trainers: number;
  /** The partitionings, oldest first; the last one is the present one. */
  readonly partitionings: readonly PartitionCounts[];
}

/** The divisions of a mesh. */
export function divisionsOf(identity: MeshIdentity): Divisions {
  const { sharding, shards, dealing, trainers } = identity;
  return { sharding, shards, dealing, trainers, partitionings: partitionCountsOf(identity) };
}

export function shardMemoryOf(
  file: Pick<CairnFile, "features" | "model" | "embeddings">,
): ShardMemory {
  const { bytesMax, serving } = file.embeddings;
  return {
    trainingBytes: bytesMax,
    ...(serving.bytesMax !== undefined && { servingBytes: serving.bytesMax }),
    servedShare: servedShareOf(file),
    classes: rowClassesOf(file).length,
  };
}

/** Memory limits of the tables of one shard, bytes. */
export function bytesPerShard(
  { trainingBytes, servingBytes, servedShare, classes }: ShardMemory,
  shards: number,
): { readonly training: number; readonly serving: number } {
  const training = trainingBytes / shards;
  return {
    training: Math.floor(training),
    serving: servingBytes === undefined
      ? servingBytesPerShard(training, servedShare, classes)
      : Math.floor(servingBytes / shards),
  };
}

/** The configuration with other divisions among shards and trainers. */
export function withDivisions(
  configuration: CairnConfiguration,
  { sharding, shards, dealing, trainers, partitionings }: Divisions,
): CairnConfiguration {
  const { embeddingShard, servingReplica, shardMemory } = configuration;
  const bytes = bytesPerShard(shardMemory, shards);
  const tables = { ...embeddingShard.tables, bytesMax: bytes.training };
  return {
    ...configuration,
    shardCount: shards,
    sharding,
    trainerCount: trainers,
    dealing,
    partitions: present(partitionings.at(-1), "a mesh has a partitioning"),
    earlierPartitions: partitionings.slice(0, -1),
    embeddingShard: { ...embeddingShard, shards, tables },
    servingReplica: { ...servingReplica, bytesMax: bytes.serving },
  };
}
