/**
 * Goal: a scorer goes to the replicas of a later sharding once they have learned what it has shown,
 * and to none that give less. Method: a trained loop, beside whose replicas a test makes, fills and
 * offers others.
 */
import assert from "node:assert/strict";
import type { ChangeReplicas, ScorerMessage } from "../../../actors/scorer/protocol.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import type { Address } from "../../../mesh/runtime/actor.ts";
import { present } from "../../../structures/invariant.ts";
import { ITEMS, silentReplica, trained } from "./trained_loop.ts";

/** A loop with a scorer, and replicas of another sharding that a test fills and offers to it. */
async function withOffers() {
  const loop = await trained();
  const budget = { budgetMs: 1_000 };
  const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
  const replica = (key: number) =>
    loop.mesh.node().actorRef<ServingReplicaMessage>(`serving_replica/${key}`);
  const send = async (sharding: number, keys: readonly (readonly (number | string)[])[]) => {
    const replicas = keys.map((ofShard) => ofShard.map((key): Address => `serving_replica/${key}`));
    const message: ChangeReplicas = { kind: "changeReplicas", sharding, replicas };
    return (await scorer.ask(message, budget)).sharding;
  };
  return {
    loop,
    /** Offers one replica of each shard, or several; the sharding that the scorer uses then. */
    offer: (sharding: number, keys: readonly (number | readonly (number | string)[])[]) =>
      loop.mesh.settle(send(sharding, keys.map((key) => [key].flat()))),
    send,
    async fill(key: number): Promise<void> {
      await loop.startReplica(key);
      const rows = { class: 0, ids: new BigUint64Array(0), rows: new Float32Array(0) };
      const position = { lineage: "another", sequence: 1 };
      const page = { kind: "loadRows", ...rows, first: true, position } as const;
      await loop.mesh.settle(replica(key).ask(page, budget));
    },
    mark: (key: number, learnedThroughMs: number | undefined) =>
      loop.mesh.settle(replica(key).ask({ kind: "setMark", learnedThroughMs }, budget)),
  };
}

Deno.test("the replicas of a later sharding are used when all have learned what was shown, and freshness is theirs", async () => {
  const { loop, offer, fill, mark } = await withOffers();
  const { learnedThroughMs } = await loop.rank("u", ITEMS);
  await loop.startReplica(7);
  await fill(8);
  await mark(8, learnedThroughMs);
  assert.equal(await offer(1, [7, 8]), 0, "one is not filled");
  await fill(9);
  assert.equal(await offer(1, [9, 8]), 0, "one has no mark");
  await mark(9, learnedThroughMs - 1);
  assert.equal(await offer(1, [9, 8]), 0, "one has learned less");
  await mark(9, learnedThroughMs + 5);
  assert.equal(await offer(0, [9, 8]), 0, "they are of the same sharding");
  assert.equal(await offer(2, [9, 8]), 2);
  assert.deepEqual(
    (await loop.rank("u", ITEMS)).items.map(({ cold }) => cold),
    ITEMS.map(() => true),
  );
  assert.equal(await offer(1, [0, 1]), 2, "an earlier sharding comes late");
  await mark(8, 7);
  await loop.mesh.advance(1_000);
  assert.equal((await loop.rankerStatus()).learnedThroughMs, 7, "a shard was restarted");
  await loop.stop();
});

Deno.test("an earlier offer whose replicas are slow does not replace a later one", async () => {
  const { loop, send, offer, fill, mark } = await withOffers();
  const { learnedThroughMs } = await loop.rank("u", ITEMS);
  for (const key of [8, 9]) {
    await fill(key);
    await mark(key, learnedThroughMs);
  }
  await loop.mesh.settle(loop.mesh.node().spawn(silentReplica, 7, undefined));
  const slow = send(1, [[7, 8]]);
  await loop.mesh.advance(20);
  assert.equal(await offer(2, [9]), 2);
  await loop.mesh.advance(1_000);
  assert.equal(await slow, 2);
  await loop.stop();
});

Deno.test("a scorer that restarts takes later replicas without a shard of hosts that are away", async () => {
  const { loop, offer, fill, mark } = await withOffers();
  for (const key of [8, 9]) {
    await fill(key);
    await mark(key, 5);
  }
  const away = ["10@edge-2", "10@edge-3"];
  assert.equal(await offer(1, [8, 9, away]), 0, "those in use give rows");
  for (const key of [0, 1]) await loop.stopReplica(key);
  await loop.restart("scorer/0");
  assert.equal(await offer(1, [8, away, 7]), 0, "one that is here has not begun");
  assert.equal(await offer(1, [8, 9, away]), 1);
  assert.equal((await loop.rankerStatus()).shardsAway, 1);
  await loop.stop();
});

Deno.test("a scorer that restarts takes later replicas that give more rows than those that have not ended", async () => {
  const { loop, offer, fill, mark } = await withOffers();
  const { learnedThroughMs } = await loop.rank("u", ITEMS);
  for (const key of [8, 9]) {
    await fill(key);
    await mark(key, learnedThroughMs);
  }
  const away = ["10@edge-2", "10@edge-3"];
  await loop.stopReplica(1);
  await loop.mesh.advance(1_000);
  assert.equal(await offer(1, [8, 9, away]), 0, "those in use have given all rows, and may again");
  await loop.restart("scorer/0");
  assert.equal(await offer(1, [8, away]), 0, "they give as few");
  await mark(9, learnedThroughMs - 1);
  assert.equal(await offer(1, [8, 9, away]), 0, "one has learned less");
  await mark(9, learnedThroughMs);
  assert.equal(await offer(1, [8, 9, away]), 1);
  await loop.stop();
});

Deno.test("a scorer that restarts keeps replicas that give all rows", async () => {
  const { loop, offer, fill, mark } = await withOffers();
  for (const key of [8, 9]) {
    await fill(key);
    await mark(key, 5);
  }
  await loop.restart("scorer/0");
  const away = ["10@edge-2", "10@edge-3"];
  assert.equal(await offer(1, [8, 9, away]), 0);
  await loop.stop();
});

Deno.test("an offer that an earlier incarnation had is nothing to the next one", async () => {
  const { loop } = await withOffers();
  const scorer = loop.mesh.node().actorRef<ScorerMessage>("scorer/0");
  scorer.tell({ kind: "takeOffer" });
  await loop.mesh.advance(10);
  const { restarts } = present(
    loop.mesh.node().statistics().find(({ address }) => address === "scorer/0"),
    "the scorer runs",
  );
  assert.equal(restarts, 0);
  await loop.stop();
});

Deno.test("scores claim the lowest mark of the replicas that they asked, and none where one has no mark", async () => {
  const { loop, mark } = await withOffers();
  const { learnedThroughMs } = await loop.rank("u", ITEMS);
  const many = Array.from({ length: 40 }, (_, i) => `many-${i}`);
  await mark(1, learnedThroughMs - 3);
  assert.equal((await loop.rank("u", many)).learnedThroughMs, learnedThroughMs - 3);
  await mark(0, undefined);
  assert.equal((await loop.rank("u", many)).learnedThroughMs, 0);
  await loop.stop();
});

Deno.test("a scorer asks as many shards as the replicas that it was given last", async () => {
  const { loop, offer, fill, mark } = await withOffers();
  const { learnedThroughMs } = await loop.rank("u", ITEMS);
  await fill(9);
  await mark(9, learnedThroughMs);
  assert.equal(await offer(1, [0, 1, 9]), 1);
  await loop.stopReplica(9);
  const many = Array.from({ length: 40 }, (_, i) => `many-${i}`);
  assert.equal((await loop.rank("u", many)).learnedThroughMs, 0);
  assert.equal((await loop.rankerStatus()).shardsAway, 1);
  await loop.stop();
});
