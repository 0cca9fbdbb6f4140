/**
 * A snapshot of a loop, by a snapshotter of its own that deletes no older one.
 */
import { defineSnapshotter } from "../../actors/snapshotter/definition.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import { numbersBelow } from "../../structures/numbers_below.ts";
import type { Loop } from "./loop.ts";

export async function takeSnapshot({ mesh, blobs, exampleLog, trainers, shards }: Loop) {
  const node = mesh.node();
  const snapshotter = await mesh.settle(
    node.spawn(defineSnapshotter({ blobs, exampleLog }), 0, {
      trainers,
      dealing: 0,
      partitions: exampleLog.partitions,
      shards: numbersBelow(shards).map((shard): Address => `embedding_shard/${shard}`),
      intervalMs: 3_600_000,
      spreadMs: 0,
      snapshotsRetained: 1_000,
      incrementsMax: 3,
      incrementsShare: 1,
      budgetMs: 5_000,
    }),
  );
  await mesh.settle(snapshotter.ask({ kind: "takeSnapshot" }, { budgetMs: 10_000 }));
  await mesh.settle(node.stopActor("snapshotter/0", 0));
}
