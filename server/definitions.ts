/**
 * The kinds of actors that a node can host, with the stores and sessions that they use.
 */
import { defineCatalogue } from "../actors/catalogue/definition.ts";
import { defineShardCopy } from "../actors/embedding_shard/copy_definition.ts";
import { defineEmbeddingShard } from "../actors/embedding_shard/definition.ts";
import { MovedShards } from "../actors/embedding_shard/moved_shards.ts";
import { defineFeatureKeeper } from "../actors/feature_keeper/definition.ts";
import { defineJoiner } from "../actors/joiner/definition.ts";
import { defineParameterSync } from "../actors/parameter_sync/definition.ts";
import { defineRanker } from "../actors/ranker/definition.ts";
import { defineRetriever } from "../actors/retriever/definition.ts";
import { defineScorer } from "../actors/scorer/definition.ts";
import { defineServingReplica } from "../actors/serving_replica/definition.ts";
import { defineSnapshotter } from "../actors/snapshotter/definition.ts";
import type { SnapshotPublisher } from "../actors/snapshotter/publisher.ts";
import { defineTrainer } from "../actors/trainer/definition.ts";
import type { Role } from "../configuration/sections/hosts.ts";
import type { BlobStore } from "../mesh/ports/blob_store.ts";
import type { EventLog } from "../mesh/ports/event_log.ts";
import type { AnyDefinition } from "../mesh/runtime/node_actor.ts";
import { present } from "../structures/invariant.ts";
import type { DenseSessions, HostStores, MeshStores } from "./environment.ts";

/** The stores and sessions of the actors that compute, opened in the node that hosts them. */
export interface ComputingResources {
  /** Undefined where no trainer runs. */
  readonly exampleLog: EventLog | undefined;
  readonly blobs: BlobStore;
  readonly dense: DenseSessions;
}

/**
 * The actors that any node can host: serving replicas, retrievers, scorers, embedding shards and
 * their copies, and trainers.
 */
export function computingDefinitions(
  { exampleLog, blobs, dense }: ComputingResources,
): AnyDefinition[] {
  const moved = new MovedShards();
  return [
    defineServingReplica(),
    defineRetriever(),
    defineScorer({ createSession: () => dense.openInference() }),
    defineEmbeddingShard({ blobs, moved }),
    defineShardCopy(moved),
    ...(exampleLog === undefined
      ? []
      : [defineTrainer({ exampleLog, blobs, createSession: () => dense.openTraining() })]),
  ];
}

/**
 * The actors that only the home node hosts: they write the logs, read the profiles and lead the
 * others.
 */
export function leadingDefinitions(
  stores: MeshStores,
  publisher?: SnapshotPublisher,
): AnyDefinition[] {
  return [
    defineRanker(stores),
    defineCatalogue(stores),
    defineFeatureKeeper(stores),
    defineParameterSync(),
    defineJoiner(stores),
    defineSnapshotter({ ...stores, ...(publisher && { publisher }) }),
  ];
}

/**
 * The kinds of actors that a host of a mesh with these roles runs in its home node.
 *
 * @param publisher Decides which snapshots count; undefined without a coordination store.
 */
export function hostDefinitions(
  roles: readonly Role[],
  stores: HostStores,
  dense: DenseSessions,
  publisher: SnapshotPublisher | undefined,
): AnyDefinition[] {
  const { blobs, exampleLog } = stores;
  const usesLogs = roles.some((role) => role !== "shards");
  return [
    ...computingDefinitions({ blobs, exampleLog, dense }),
    ...(usesLogs ? leadingDefinitions(requireStores(stores), publisher) : []),
  ];
}

/** All stores; present where a host has another role than shards. */
export function requireStores(stores: HostStores): MeshStores {
  const { eventLog, exampleLog, profiles, blobs, sharedRankings } = stores;
  const promise = "a host that does more than keep shards has all stores";
  return {
    eventLog: present(eventLog, promise),
    exampleLog: present(exampleLog, promise),
    profiles: present(profiles, promise),
    blobs,
    ...(sharedRankings && { sharedRankings }),
  };
}
