import type { ActorDefinition } from "../../mesh/runtime/actor.ts";
import { fencedBlobStore, fencedEventLog } from "../../mesh/runtime/fenced_stores.ts";
import type { SnapshotterOptions } from "./options.ts";
import type { SnapshotterMessage } from "./protocol.ts";
import { Snapshotter, type SnapshotterDependencies } from "./snapshotter.ts";

export type { SnapshotterDependencies, SnapshotterOptions };

export function defineSnapshotter(
  dependencies: SnapshotterDependencies,
): ActorDefinition<SnapshotterMessage, SnapshotterOptions> {
  return {
    kind: "snapshotter",
    mailbox: { capacity: 64, overflow: "reject" },
    restart: {
      restartsMax: 10,
      periodMs: 60_000,
      backoffMs: 1_000,
      backoffMsMax: 30_000,
      goesOn: true,
    },
    priorityOf: ({ kind }) => kind === "getStatus" || kind === "setLeased" ? "control" : "write",
    create: (context, options) =>
      Snapshotter.start(context, options, {
        ...dependencies,
        blobs: fencedBlobStore(dependencies.blobs, context),
        exampleLog: fencedEventLog(dependencies.exampleLog, context),
      }),
  };
}
