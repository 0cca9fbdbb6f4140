/**
 * The sizes of a host's shards, for the planner.
 */
import type { EmbeddingShardMessage } from "../actors/embedding_shard/protocol.ts";
import { sizeFigures } from "../mesh/placement/mesh_views.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import type { Mesh } from "../mesh/runtime/mesh.ts";

/**
 * Asks the shards for their sizes, at their addresses. A shard that does not answer in time is left
 * out: the planner keeps its last figures, and the host's lease, which waits for this, is renewed
 * in time.
 */
export async function shardSizes(
  mesh: Mesh,
  shards: ReadonlyMap<number, Address>,
  budgetMs: number,
): Promise<Record<string, number>> {
  const load: Record<string, number> = {};
  await Promise.all([...shards].map(async ([shard, address]) => {
    const actor = mesh.actorRef<EmbeddingShardMessage>(address);
    const size = await actor.ask({ kind: "getStatistics" }, { budgetMs }).catch(() => undefined);
    if (size === undefined) return;
    const figures = sizeFigures(`shard/${shard}`);
    load[figures.rows] = size.rows;
    load[figures.bytes] = size.bytes;
  }));
  return load;
}
