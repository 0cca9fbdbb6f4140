/**
 * How composition makes embedding shards.
 */
import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { EmbeddingShard } from "./embedding_shard.ts";
import type { EmbeddingShardOptions } from "./options.ts";
import type { EmbeddingShardMessage } from "./protocol.ts";

export type { EmbeddingShardOptions };

export function defineEmbeddingShard(): ActorDefinition<
  EmbeddingShardMessage,
  EmbeddingShardOptions
> {
  return {
    kind: "embedding_shard",
    mailbox: { capacity: 4_096, overflow: "backpressure" },
    // A restarted shard has lost its rows; only a restore brings them back, so it escalates soon.
    restart: { restartsMax: 3, periodMs: 60_000, backoffMs: 100, backoffMsMax: 5_000 },
    priorityOf: (message) => {
      switch (message.kind) {
        case "getStatistics":
        case "getHighWaterMark":
          return "control";
        // One queue for what trains: a lookup must not overtake the gradients sent before it.
        case "lookup":
        case "applyGradients":
          return "read";
        case "takeDelta":
        case "exportRows":
        case "evictExpired":
          return "write";
      }
    },
    create: (context, options) => new EmbeddingShard(context, options),
  };
}
