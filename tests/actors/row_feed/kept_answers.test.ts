/** Goal: a feed keeps nothing of the deltas that it has carried. */
import assert from "node:assert/strict";
import type {
  EmbeddingShardMessage,
  TakeDeltas,
} from "../../../actors/embedding_shard/protocol.ts";
import { ReplicaFeed } from "../../../actors/row_feed/replica_feed.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import type { ActorRef, ReplyOf } from "../../../mesh/runtime/actor.ts";
import { collectGarbage } from "../../collect_garbage.ts";

Deno.test("a feed keeps no answer of its shard after the step that carried it", async () => {
  const position = { lineage: "a", sequence: 0 };
  const answers: WeakRef<ReplyOf<TakeDeltas>>[] = [];
  const take = (): ReplyOf<TakeDeltas> => {
    const answer = { incarnation: "i", position, deltas: [], learnedThroughMs: 1, complete: true };
    answers.push(new WeakRef(answer));
    return answer;
  };
  const feed = new ReplicaFeed({
    shard: { ask: () => Promise.resolve(take()) } as unknown as ActorRef<EmbeddingShardMessage>,
    replica: {
      ask: () => Promise.resolve({ position }),
    } as unknown as ActorRef<ServingReplicaMessage>,
    taker: "feed",
    rowsMax: 100,
    budgetMs: 1_000,
  });
  for (let step = 0; step < 20; step++) assert.equal((await feed.step()).isComplete, true);
  await new Promise((resolve) => setTimeout(resolve, 0)); // a turn holds its references
  collectGarbage();
  assert.equal(answers.length, 20);
  assert.deepEqual(answers.filter((each) => each.deref() !== undefined), []);
  feed.replicaStarted();
});
