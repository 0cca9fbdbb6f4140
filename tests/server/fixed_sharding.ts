/** A sharding that does not change, for tests of the placement of hosts. */
import type { EmbeddingShardOptions } from "../../actors/embedding_shard/options.ts";
import type { FollowedSharding } from "../../server/placement_agent.ts";

/** @param shard The options of its shards; none where no shard is made. */
export function fixedSharding(shard: Partial<EmbeddingShardOptions> = {}): FollowedSharding {
  return {
    shards: { sharding: 0, shard: shard as EmbeddingShardOptions },
    fixedActors: [],
    isChanging: false,
    follow() {},
    figures: () => ({}),
    stop: () => Promise.resolve(),
  };
}
