/**
 * The kinds of actors with what they need beside messages, opened in the thread where they live.
 */
import { defineEmbeddingShard } from "../actors/embedding_shard/definition.ts";
import { defineJoiner } from "../actors/joiner/definition.ts";
import { defineParameterSync } from "../actors/parameter_sync/definition.ts";
import { defineRanker } from "../actors/ranker/definition.ts";
import { defineScorer } from "../actors/scorer/definition.ts";
import { defineServingReplica } from "../actors/serving_replica/definition.ts";
import { defineSnapshotter } from "../actors/snapshotter/definition.ts";
import { defineTrainer } from "../actors/trainer/definition.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import type { BlobStore } from "../mesh/ports/blob_store.ts";
import type { EventLog } from "../mesh/ports/event_log.ts";
import type { ProfileStore } from "../mesh/ports/profile_store.ts";
import type { Telemetry } from "../mesh/ports/telemetry.ts";
import type { AnyDefinition } from "../mesh/runtime/node_actor.ts";
import { openInferenceSession, openTrainingSession } from "./dense_sessions.ts";

/** What a worker thread can host: the parts that compute, with what was learned and from what is learned. */
export function computingDefinitions(
  configuration: CairnConfiguration,
  { exampleLog, blobs }: { readonly exampleLog: EventLog; readonly blobs: BlobStore },
  telemetry: Telemetry,
): AnyDefinition[] {
  const tell = (line: string) => telemetry.log("info", line);
  return [
    defineServingReplica(),
    defineScorer({ createSession: () => openInferenceSession(configuration, tell) }),
    defineEmbeddingShard({ blobs }),
    defineTrainer({
      exampleLog,
      blobs,
      createSession: () =>
        openTrainingSession(configuration, {
          // Worth its messages only where a batch is prepared while another one is in its step.
          ownThread: configuration.placement.kind === "workers" &&
            configuration.trainer.pipelined,
          tell,
        }),
    }),
  ];
}

/** What the main thread hosts beside: the parts that write the logs, read the profiles and lead the others. */
export function leadingDefinitions(
  stores: {
    readonly eventLog: EventLog;
    readonly exampleLog: EventLog;
    readonly profiles: ProfileStore;
    readonly blobs: BlobStore;
  },
): AnyDefinition[] {
  return [
    defineRanker(stores),
    defineParameterSync(),
    defineJoiner(stores),
    defineSnapshotter(stores),
  ];
}
