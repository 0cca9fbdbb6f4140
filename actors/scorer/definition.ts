/**
 * The scorer as composition spawns it: mailbox, restarts and priorities.
 */
import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { servingRestarts } from "../../mesh/runtime/restart_policies.ts";
import type { ScorerOptions } from "./options.ts";
import type { ScorerMessage } from "./protocol.ts";
import { Scorer, type ScorerDependencies } from "./scorer.ts";

export type { ScorerDependencies, ScorerOptions };

export function defineScorer(
  dependencies: ScorerDependencies,
): ActorDefinition<ScorerMessage, ScorerOptions> {
  return {
    kind: "scorer",
    mailbox: { capacity: 4_096, overflow: "reject" },
    restart: servingRestarts,
    priorityOf: (message) => {
      switch (message.kind) {
        case "getStatus":
        case "beginWith":
        case "loadDenseWeights":
        case "getModel":
        case "changeReplicas":
        case "takeOffer":
          return "control";
        case "score":
        case "explain":
          return "read";
        case "embed":
          return message.of === "users" ? "read" : "write";
        case "scoreWaiting":
        case "explainWaiting":
          return "write";
      }
    },
    create: (context, options) => Scorer.start(context, options, dependencies),
  };
}
