/**
 * The last snapshot of a process, so that the next start has nothing to learn again.
 */
import type { EmbeddingShardMessage } from "../actors/embedding_shard/protocol.ts";
import type { SnapshotterMessage } from "../actors/snapshotter/protocol.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import type { Mesh } from "../mesh/runtime/mesh.ts";
import { numbersBelow } from "../structures/numbers_below.ts";
import { addresses } from "./addresses.ts";

/** Below the 30 s and more that Kubernetes and systemd wait before they kill, ms. */
const BUDGET = { budgetMs: 20_000 };
/** Pause between two looks at the shards, ms. */
const LOOK_MS = 500;

/** Time for which a shard may be away, ms: it moves, or is restored by another host. */
const AWAY_MS = 3_000;

/**
 * Has a snapshot taken when the process is told to stop. Where shards are gone, as those of a host
 * that has stopped before, there can be none, and their trainers would wait for them to be back: so
 * the wait ends then, and the log says why. Nothing is learned, and none is taken, before all
 * shards have had a host.
 */
export async function takeLastSnapshot(
  mesh: Mesh,
  configuration: Pick<CairnConfiguration, "shardCount" | "sharding">,
): Promise<void> {
  const shards = numbersBelow(configuration.shardCount).map((shard) =>
    addresses.embeddingShard(shard, configuration.sharding)
  );
  if (!shards.every((shard) => mesh.home.knows(shard))) return;
  const taken = mesh.actorRef<SnapshotterMessage>(addresses.snapshotter)
    .ask({ kind: "takeSnapshot" }, BUDGET);
  try {
    const lost = Promise.all(shards.map((shard) => shardLost(mesh, shard, taken)));
    await Promise.race([taken, lost]);
  } catch (cause) {
    const lost = "no snapshot at the end; the next start learns again from the last one";
    mesh.home.telemetry.log("warn", lost, { cause });
  }
}

/**
 * Looks at a shard until `end` settles.
 *
 * @throws {Error} It has not answered for {@link AWAY_MS}.
 */
async function shardLost(mesh: Mesh, address: Address, end: Promise<unknown>): Promise<void> {
  const { clock } = mesh.home;
  const shard = mesh.actorRef<EmbeddingShardMessage>(address);
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  end.then(over, over);
  let awaySinceMs: number | undefined;
  while (!isOver) {
    const lookedAtMs = clock.monotonicMs();
    try {
      await shard.ask({ kind: "getIncarnation" }, BUDGET);
      awaySinceMs = undefined;
    } catch (error) {
      awaySinceMs ??= lookedAtMs;
      if (clock.monotonicMs() - awaySinceMs >= AWAY_MS) throw error;
    }
    await new Promise<void>((resolve) => void clock.schedule(LOOK_MS, resolve));
  }
}
