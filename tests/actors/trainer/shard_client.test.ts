import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import { ShardClient } from "../../../actors/trainer/shard_client.ts";
import type { ActorRef } from "../../../mesh/runtime/actor.ts";

Deno.test("gradients on their way while a restart is noticed still bear the life that they were meant for", async () => {
  const shard = { incarnation: "first", gradientsFor: [] as string[] };
  const ask = (message: EmbeddingShardMessage) => {
    if (message.kind === "applyGradients") shard.gradientsFor.push(message.incarnation);
    return Promise.resolve({ sequence: 8, incarnation: shard.incarnation });
  };
  const ref = { ask } as unknown as ActorRef<EmbeddingShardMessage>;
  const client = new ShardClient([ref], {
    source: "trainer",
    widths: [1],
    budgetMs: 100,
    attemptsMax: 2,
  });
  assert.deepEqual(await client.marks(), [8]);
  await client.check();
  shard.incarnation = "second";
  await assert.rejects(client.check(), { name: "ShardRestartedError" });
  const grouped = {
    uniqueIds: BigUint64Array.of(1n),
    groupStarts: Uint32Array.of(0, 1),
    counts: Uint32Array.of(1),
  };
  await client.applyGradients(grouped, Float32Array.of(1), 16, 0);
  assert.deepEqual(shard.gradientsFor, ["first"]);
});
