/**
 * Goal: requests are ranked independently of each other, and overload and readiness are told.
 */
import assert from "node:assert/strict";
import type { Rank, RankerMessage } from "../../../actors/ranker/protocol.ts";
import { defineServingReplica } from "../../../actors/serving_replica/definition.ts";
import { Loop } from "../loop.ts";

Deno.test("an invalid request does not fail the requests that wait with it", async () => {
  const loop = await Loop.start();
  const wrong = loop.requestRanking("u", ["a"], {
    candidates: [{ id: "a", fields: { tags: 7 } }],
  });
  const right = loop.requestRanking("u", ["b"]);
  const [refused, answered] = await loop.mesh.settle(Promise.allSettled([wrong, right]));
  assert.equal(refused.status, "rejected");
  assert.match(String((refused as PromiseRejectedResult).reason), /tags/);
  assert.equal(answered.status, "fulfilled");
  await loop.stop();
});

Deno.test("more requests than may wait are answered overloaded at once", async () => {
  const loop = await Loop.start({ scorer: { requestsWaitingMax: 4 } });
  const requests = Array.from({ length: 10 }, () => loop.requestRanking("u", ["a"]));
  const outcomes = await loop.mesh.settle(Promise.allSettled(requests));
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  assert.equal(refused.length, 6);
  for (const { reason } of refused) assert.equal(reason.name, "OverloadedError");
  await loop.stop();
});

Deno.test("unknown users and items are ranked", async () => {
  const loop = await Loop.start();
  const { items } = await loop.rank("", ["never-seen"]);
  assert.ok(items[0].score > 0 && items[0].score < 1);
  assert.equal(items[0].cold, true);
  await loop.stop();
});

Deno.test("rankings go on without the rows of a replica that is away, and the status says so", async () => {
  const loop = await Loop.start();
  const away = async () => {
    const { ready, shardsAway } = await loop.rankerStatus();
    assert.ok(ready);
    return shardsAway;
  };
  await loop.rank("u", ["a", "b", "c"]);
  assert.equal(await away(), 0);
  await loop.stopReplica(0);
  const { items } = await loop.rank("u", ["a", "b", "c"]);
  assert.ok(items.some(({ cold }) => cold));
  assert.equal(await away(), 1);
  await loop.startReplica(0);
  await loop.mesh.advance(1_000);
  assert.equal(await away(), 0);
  await loop.stop();
});

Deno.test("the trace of a ranking reaches the replicas, in a later turn too", async () => {
  const loop = await Loop.start({ shards: 1 });
  await loop.stopReplica(0);
  const node = loop.mesh.node();
  const replica: ReturnType<typeof defineServingReplica> = {
    ...defineServingReplica(),
    create: (context) => ({
      receive(message) {
        context.telemetry.log("info", `received ${message.kind}`);
        if (message.kind === "lookup") context.replyError(message, new Error("this replica fails"));
      },
    }),
  };
  const options = { shard: 0, widths: [5], precision: "fp32", bytesMax: 1 << 24 } as const;
  await loop.mesh.settle(node.spawn(replica, 0, options));
  const rank: Rank = {
    kind: "rank",
    user: "u",
    context: {},
    atMs: 0,
    candidates: [{ id: "a" }],
    limit: 1,
    explain: false,
  };
  const asked = node.actorRef<RankerMessage>("ranker/0")
    .ask(rank, {
      budgetMs: 1_000,
      trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    });
  await assert.rejects(loop.mesh.settle(asked), /this replica fails/);
  const lines = loop.mesh.telemetry.lines.filter(({ message }) => message === "received lookup");
  assert.deepEqual(lines.map(({ fields }) => fields.traceId), ["0af7651916cd43dd8448eb211c80319c"]);
  await loop.stop();
});
