/**
 * The feature keeper as composition spawns it: mailbox, restarts and priorities.
 */
import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { helpingRestarts } from "../../mesh/runtime/restart_policies.ts";
import { FeatureKeeper, type FeatureKeeperDependencies } from "./feature_keeper.ts";
import type { FeatureKeeperOptions } from "./options.ts";
import type { FeatureKeeperMessage } from "./protocol.ts";

export type { FeatureKeeperDependencies, FeatureKeeperOptions };

export function defineFeatureKeeper(
  dependencies: FeatureKeeperDependencies,
): ActorDefinition<FeatureKeeperMessage, FeatureKeeperOptions> {
  return {
    kind: "feature_keeper",
    mailbox: { capacity: 4_096, overflow: "reject" },
    // Rankings go on without kept features, so a keeper is restarted for as long as it takes.
    restart: helpingRestarts,
    priorityOf: (message) => {
      switch (message.kind) {
        case "getStatus":
        case "setLeased":
          return "control";
        case "readKept":
        case "getTop":
          return "read";
        case "readLog":
        case "saveNext":
        case "searchTop":
        case "clearErased":
          return "write";
      }
    },
    create: (context, options) => FeatureKeeper.start(context, options, dependencies),
  };
}
