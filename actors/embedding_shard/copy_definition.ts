import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { rowsRestarts } from "../../mesh/runtime/restart_policies.ts";
import type { ShardCopyMessage } from "./copy_protocol.ts";
import type { MovedShards } from "./moved_shards.ts";
import { ShardCopy, type ShardCopyActorOptions } from "./shard_copy.ts";

/** The copies of shards that move to this node. */
export function defineShardCopy(
  moved: MovedShards,
): ActorDefinition<ShardCopyMessage, ShardCopyActorOptions> {
  return {
    kind: "shard_copy",
    mailbox: { capacity: 64, overflow: "reject" },
    // A restarted copy begins anew.
    restart: rowsRestarts,
    priorityOf: (message) => message.kind === "copyMore" ? "write" : "control",
    create: (context, options) => new ShardCopy(context, options, moved),
  };
}
