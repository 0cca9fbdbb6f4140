/**
 * Carrying one shard's rows to its replicas.
 */
import assert from "node:assert/strict";
import { ShardSync } from "../../../actors/parameter_sync/shard_sync.ts";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import type { ActorRef } from "../../../mesh/runtime/actor.ts";

Deno.test("a replica is not filled from another incarnation of the shard than the followed one", async () => {
  const shard = {
    ask: ({ kind }: EmbeddingShardMessage) =>
      Promise.resolve(
        kind === "takeDelta"
          ? { position: { lineage: "first/1", sequence: 7 }, incarnation: "first" }
          : {
            position: { lineage: "second/0", sequence: 0 },
            class: 0,
            ids: new BigUint64Array(0),
            rows: new Float32Array(0),
            done: true,
          },
      ),
  } as unknown as ActorRef<EmbeddingShardMessage>;
  const asked: ServingReplicaMessage[] = [];
  const replica = {
    ask(message: ServingReplicaMessage) {
      asked.push(message);
      return Promise.resolve({ position: undefined });
    },
  } as unknown as ActorRef<ServingReplicaMessage>;
  const sync = new ShardSync(shard, [replica], {
    deltaRowsMax: 10,
    deltasPerRoundMax: 4,
    budgetMs: 100,
  });
  sync.follow("first");
  const { complete, failures } = await sync.round();
  assert.ok(!complete);
  assert.match(failures[0].message, /another lineage/);
  assert.deepEqual(asked.map(({ kind }) => kind), ["getPosition"]);
});
