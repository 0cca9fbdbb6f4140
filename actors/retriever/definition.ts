/**
 * The retriever as composition spawns it: mailbox, restarts and priorities.
 */
import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { servingRestarts } from "../../mesh/runtime/restart_policies.ts";
import type { RetrieverOptions } from "./options.ts";
import type { RetrieverMessage } from "./protocol.ts";
import { Retriever } from "./retriever.ts";

export type { RetrieverOptions };

export function defineRetriever(): ActorDefinition<RetrieverMessage, RetrieverOptions> {
  return {
    kind: "retriever",
    mailbox: { capacity: 1_024, overflow: "reject" },
    // A restarted retriever is empty; the catalogue finds that and sends all items.
    restart: servingRestarts,
    priorityOf: (message) => {
      switch (message.kind) {
        case "getState":
          return "control";
        case "retrieve":
        case "retrieveSimilar":
        case "sampleItems":
          return "read";
        case "putItems":
        case "refreshVectors":
          return "write";
      }
    },
    create: (context, options) => new Retriever(context, options),
  };
}
