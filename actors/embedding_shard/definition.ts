import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { rowsRestarts } from "../../mesh/runtime/restart_policies.ts";
import { fencedBlobStore } from "../../mesh/runtime/fenced_stores.ts";
import { EmbeddingShard, type EmbeddingShardDependencies } from "./embedding_shard.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import type { EmbeddingShardMessage } from "./protocol.ts";

export type { EmbeddingShardDependencies, EmbeddingShardOptions };

export function defineEmbeddingShard(
  dependencies: EmbeddingShardDependencies,
): ActorDefinition<EmbeddingShardMessage, EmbeddingShardOptions> {
  return {
    kind: "embedding_shard",
    mailbox: { capacity: 4_096, overflow: "backpressure" },
    // Few restarts: each one costs a restored snapshot, and the trainer's replay from it.
    restart: rowsRestarts,
    priorityOf: (message) => {
      switch (message.kind) {
        case "getStatistics":
        case "getIncarnation":
        case "rowsLoaded":
        case "awaitReport":
        case "freezeReported":
        case "abandonCopy":
        case "getGiving":
        case "awaitFreeze":
          return "control";
        // One queue for training: a lookup, a cut or an opening must not overtake the gradients
        // sent before it.
        case "lookup":
        case "applyGradients":
        case "removeRows":
        case "listIds":
        case "beginSnapshot":
        case "openSource":
        case "goBack":
        case "finishCopy":
          return "read";
        case "takeDeltas":
        case "learned":
        case "takerWaited":
        case "exportRows":
        case "evictExpired":
        case "writeSnapshot":
        case "abandonSnapshot":
        case "writeSnapshotChunk":
        case "beginCopy":
        case "copyRows":
        case "getCopyChanges":
          return "write";
      }
    },
    create: (context, options) =>
      EmbeddingShard.start(context, options, {
        ...dependencies,
        blobs: fencedBlobStore(dependencies.blobs, context),
      }),
  };
}
