/**
 * The last snapshot of a process, so that the next start has nothing to learn again.
 */
import type { EmbeddingShardMessage } from "../actors/embedding_shard/protocol.ts";
import type { SnapshotterMessage } from "../actors/snapshotter/protocol.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import type { Mesh } from "../mesh/runtime/mesh.ts";
import { numbersBelow } from "../structures/numbers_below.ts";
import { addresses } from "./addresses.ts";

/** Below the 30 s and more that Kubernetes and systemd wait before they kill, ms. */
const BUDGET = { budgetMs: 20_000 };
/** Pause between two looks at the shards, ms. */
const LOOK_MS = 500;

/**
 * Has a snapshot taken when the process is told to stop. Where shards are gone, as those of a host
 * that has stopped before, there can be none, and their trainers would wait for them to be back: so
 * the wait ends then, and the log says why.
 */
export async function takeLastSnapshot(
  mesh: Mesh,
  configuration: Pick<CairnConfiguration, "shardCount" | "sharding">,
): Promise<void> {
  const taken = mesh.actorRef<SnapshotterMessage>(addresses.snapshotter)
    .ask({ kind: "takeSnapshot" }, BUDGET);
  try {
    await Promise.race([taken, shardLost(mesh, configuration, taken)]);
  } catch (cause) {
    const lost = "no snapshot at the end; the next start learns again from the last one";
    mesh.home.telemetry.log("warn", lost, { cause });
  }
}

/**
 * Looks at the shards until `end` settles.
 *
 * @throws {Error} A shard failed to answer twice in a row; one that moves may fail once.
 */
async function shardLost(
  mesh: Mesh,
  { shardCount, sharding }: Pick<CairnConfiguration, "shardCount" | "sharding">,
  end: Promise<unknown>,
): Promise<void> {
  const { clock } = mesh.home;
  const shards = numbersBelow(shardCount).map((shard) =>
    mesh.actorRef<EmbeddingShardMessage>(addresses.embeddingShard(shard, sharding))
  );
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  end.then(over, over);
  let failed = false;
  while (!isOver) {
    try {
      await Promise.all(shards.map((shard) => shard.ask({ kind: "getIncarnation" }, BUDGET)));
      failed = false;
    } catch (error) {
      if (failed) throw error;
      failed = true;
    }
    await new Promise<void>((resolve) => void clock.schedule(LOOK_MS, resolve));
  }
}
