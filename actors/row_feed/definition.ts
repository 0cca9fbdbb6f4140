import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { helpingRestarts } from "../../mesh/runtime/restart_policies.ts";
import type { RowFeedOptions } from "./options.ts";
import type { RowFeedMessage } from "./protocol.ts";
import { RowFeed } from "./row_feed.ts";

export type { RowFeedOptions };

export function defineRowFeed(): ActorDefinition<RowFeedMessage, RowFeedOptions> {
  return {
    kind: "row_feed",
    mailbox: { capacity: 256, overflow: "reject" },
    restart: helpingRestarts,
    priorityOf: (message) => message.kind === "getStatus" ? "control" : "write",
    create: (context, options) => new RowFeed(context, options),
  };
}
