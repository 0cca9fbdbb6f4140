import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import type { ParameterSyncOptions } from "./options.ts";
import { ParameterSync } from "./parameter_sync.ts";
import type { ParameterSyncMessage } from "./protocol.ts";

export type { ParameterSyncOptions };

export function defineParameterSync(): ActorDefinition<
  ParameterSyncMessage,
  ParameterSyncOptions
> {
  return {
    kind: "parameter_sync",
    mailbox: { capacity: 256, overflow: "reject" },
    restart: {
      restartsMax: 10,
      periodMs: 60_000,
      backoffMs: 100,
      backoffMsMax: 5_000,
      goesOn: true,
    },
    priorityOf: ({ kind }) => kind === "getStatus" || kind === "setLeased" ? "control" : "write",
    create: (context, options) => new ParameterSync(context, options),
  };
}
