/**
 * The ranker as composition spawns it: mailbox, restarts and priorities.
 */
import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { fencedEventLog } from "../../mesh/runtime/fenced_stores.ts";
import { servingRestarts } from "../../mesh/runtime/restart_policies.ts";
import type { RankerOptions } from "./options.ts";
import type { RankerMessage } from "./protocol.ts";
import { Ranker, type RankerDependencies } from "./ranker.ts";

export type { RankerDependencies, RankerOptions };

export function defineRanker(
  dependencies: RankerDependencies,
): ActorDefinition<RankerMessage, RankerOptions> {
  return {
    kind: "ranker",
    mailbox: { capacity: 4_096, overflow: "reject" },
    restart: servingRestarts,
    priorityOf: (message) => message.kind === "getStatus" ? "control" : "read",
    create: (context, options) =>
      new Ranker(context, options, {
        ...dependencies,
        eventLog: fencedEventLog(dependencies.eventLog, context),
      }),
  };
}
