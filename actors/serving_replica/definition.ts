import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { servingRestarts } from "../../mesh/runtime/restart_policies.ts";
import type { ServingReplicaOptions } from "./options.ts";
import type { ServingReplicaMessage } from "./protocol.ts";
import { ServingReplica } from "./serving_replica.ts";

export type { ServingReplicaOptions };

export function defineServingReplica(): ActorDefinition<
  ServingReplicaMessage,
  ServingReplicaOptions
> {
  return {
    kind: "serving_replica",
    mailbox: { capacity: 4_096, overflow: "reject" },
    // A restarted replica is empty; the row feed finds the gap and fills it.
    restart: servingRestarts,
    priorityOf: (message) => {
      switch (message.kind) {
        case "getStatistics":
          return "control";
        case "lookup":
          return "read";
        case "applyDelta":
        case "loadRows":
        case "setMark":
        case "getPosition":
          return "write";
      }
    },
    create: (context, options) => new ServingReplica(context, options),
  };
}
