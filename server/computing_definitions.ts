/**
 * The kinds of actors that compute, with the stores and sessions that they use. Every worker thread
 * loads this module; the actors that only the home node hosts are in `definitions.ts`.
 */
import { defineShardCopy } from "../actors/embedding_shard/copy_definition.ts";
import { defineEmbeddingShard } from "../actors/embedding_shard/definition.ts";
import { MovedShards } from "../actors/embedding_shard/moved_shards.ts";
import { defineRetriever } from "../actors/retriever/definition.ts";
import { defineRowFeed } from "../actors/row_feed/definition.ts";
import { defineScorer } from "../actors/scorer/definition.ts";
import { defineServingReplica } from "../actors/serving_replica/definition.ts";
import { defineTrainer } from "../actors/trainer/definition.ts";
import type { BlobStore } from "../mesh/ports/blob_store.ts";
import type { EventLog } from "../mesh/ports/event_log.ts";
import type { AnyDefinition } from "../mesh/runtime/node_actor.ts";
import type { DenseSessions } from "./environment.ts";

/** The stores and sessions of the actors that compute, opened in the node that hosts them. */
export interface ComputingResources {
  /** Undefined where no trainer runs. */
  readonly exampleLog: EventLog | undefined;
  readonly blobs: BlobStore;
  readonly dense: DenseSessions;
}

/**
 * The actors that any node can host: serving replicas, row feeds, retrievers, scorers, embedding
 * shards and their copies, and trainers.
 */
export function computingDefinitions(
  { exampleLog, blobs, dense }: ComputingResources,
): AnyDefinition[] {
  const moved = new MovedShards();
  return [
    defineServingReplica(),
    defineRowFeed(),
    defineRetriever(),
    defineScorer({ blobs, createSession: () => dense.openInference() }),
    defineEmbeddingShard({ blobs, moved }),
    defineShardCopy(moved),
    ...(exampleLog === undefined
      ? []
      : [defineTrainer({ exampleLog, blobs, createSession: () => dense.openTraining() })]),
  ];
}
