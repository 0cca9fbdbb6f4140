import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { fencedBlobStore } from "../../mesh/runtime/fenced_stores.ts";
import type { TrainerOptions } from "./options.ts";
import { LogLosses } from "./log_losses.ts";
import type { TrainerMessage } from "./protocol.ts";
import { Trainer, type TrainerDependencies } from "./trainer.ts";

export type { TrainerDependencies, TrainerOptions };

export function defineTrainer(
  dependencies: Omit<TrainerDependencies, "logLosses">,
): ActorDefinition<TrainerMessage, TrainerOptions> {
  const logLosses = new LogLosses();
  return {
    kind: "trainer",
    mailbox: { capacity: 1_024, overflow: "reject" },
    restart: {
      restartsMax: 5,
      periodMs: 60_000,
      backoffMs: 200,
      backoffMsMax: 10_000,
      goesOn: true,
    },
    priorityOf: (message) => {
      switch (message.kind) {
        case "getStatus":
        case "getAcceptanceMark":
        case "setLeased":
          return "control";
        case "getProgressiveValidation":
        case "getDenseWeights":
        case "offerWeights":
        case "adoptMean":
          return "read";
        case "examplesAppended":
        case "cut":
        case "cutWaits":
        case "storeRetryDue":
        case "checkShards":
        case "reachDue":
        case "shardsOpened":
          return "write";
      }
    },
    create: (context, options) =>
      Trainer.start(context, options, {
        ...dependencies,
        logLosses,
        blobs: fencedBlobStore(dependencies.blobs, context),
      }),
  };
}
