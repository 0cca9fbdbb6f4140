import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import { Loop } from "../loop.ts";

const BUDGET = { budgetMs: 1_000 };

async function visit(loop: Loop, i: number): Promise<void> {
  const items = [0, 1, 2].map((k) => `item-${(i * 7 + k * 3) % 20}`);
  const { rankingId } = await loop.rank(`user-${i % 5}`, items);
  await loop.act(rankingId, items[0], "click");
  await loop.mesh.advance(60);
}

/** The scores of a ranking of all items, by item. */
async function scores(loop: Loop): Promise<Record<string, number>> {
  const items = Array.from({ length: 20 }, (_, i) => `item-${i}`);
  const ranking = await loop.rank("user-0", items);
  return Object.fromEntries(ranking.items.map(({ id, score }) => [id, score]));
}

Deno.test("a restarted replica is filled, and serves the same scores as before", async () => {
  const loop = await Loop.start();
  for (let i = 0; i < 30; i++) await visit(loop, i);
  await loop.mesh.advance(1_000);
  const before = await scores(loop);
  const { gaps } = await loop.feedStatus();
  assert.equal(gaps, 0);

  await loop.restart("serving_replica/1");
  await loop.mesh.advance(10);
  assert.deepEqual(await scores(loop), before);
  assert.equal((await loop.feedStatus()).gaps, 1);
  await loop.stop();
});

Deno.test("an empty replica refuses a delta that does not follow, and is filled", async () => {
  const loop = await Loop.start();
  for (let i = 0; i < 30; i++) await visit(loop, i);
  await loop.mesh.advance(1_000);
  const { rankingId } = await loop.rank("user-0", ["item-0"]);
  await loop.restart("serving_replica/0");
  await loop.restart("serving_replica/1");
  await loop.act(rankingId, "item-0", "click"); // changes rows before sync looks again
  await loop.mesh.advance(1_000);

  const steady = await Loop.start();
  for (let i = 0; i < 30; i++) await visit(steady, i);
  await steady.mesh.advance(1_000);
  await steady.act((await steady.rank("user-0", ["item-0"])).rankingId, "item-0", "click");
  await steady.mesh.advance(1_000);
  assert.deepEqual(await scores(loop), await scores(steady));
  assert.ok((await loop.feedStatus()).gaps >= 2);
  await loop.stop();
  await steady.stop();
});

Deno.test("the freshness mark does not move while a replica is stopped, and moves again after its restart", async () => {
  const loop = await Loop.start();
  for (let i = 0; i < 5; i++) await visit(loop, i);
  await loop.stopReplica(0);
  const { learnedThroughMs } = await loop.feedStatus();
  const ranking = await loop.rank("user-0", ["item-0"]);
  assert.equal(ranking.learnedThroughMs, 0, "a ranking without rows claims nothing");
  const acceptedAtMs = await loop.act("unknown", "item-0", "click");
  await loop.mesh.advance(3_000);
  assert.equal((await loop.feedStatus()).learnedThroughMs, learnedThroughMs);
  await loop.startReplica(0);
  await loop.mesh.advance(3_000);
  assert.equal((await loop.feedStatus()).learnedThroughMs, acceptedAtMs);
  await loop.stop();
});

Deno.test("after a shard's restart its replica drops the lost rows, and freshness falls to 0 before", async () => {
  const loop = await Loop.start();
  const node = loop.mesh.node();
  const shard = node.actorRef<EmbeddingShardMessage>("embedding_shard/0");
  const replica = node.actorRef<ServingReplicaMessage>("serving_replica/0");
  for (let i = 0; i < 10; i++) await visit(loop, i);
  const { rankingId } = await loop.rank("user-0", ["item-0"]);
  const acceptedAtMs = await loop.act(rankingId, "item-0", "click");
  // Rows from no log, so that a replay does not bring them back.
  const source = "elsewhere", ids = BigUint64Array.of(1n, 2n), starts = Uint32Array.of(0, 2);
  const opening = await loop.mesh.settle(shard.ask({ kind: "openSource", source }, BUDGET));
  await loop.mesh.settle(shard.ask({
    kind: "applyGradients",
    source,
    sequence: 1,
    ids,
    starts,
    gradients: new Float32Array(10).fill(1),
    counts: Uint32Array.of(1, 1),
    atMs: 0,
    opening,
  }, BUDGET));
  await loop.mesh.advance(1_000);
  const found = async () => {
    const lookup = { kind: "lookup", ids: ids.slice(), starts: starts.slice() } as const;
    return [...(await loop.mesh.settle(replica.ask(lookup, BUDGET))).found];
  };
  const servedRows = async () =>
    (await loop.mesh.settle(replica.ask({ kind: "getStatistics" }, BUDGET))).rows;
  const learnedRows = async () =>
    (await loop.mesh.settle(shard.ask({ kind: "getStatistics" }, BUDGET))).rows;
  assert.deepEqual(await found(), [1, 1]);
  assert.equal((await loop.rank("user-0", ["item-0"])).learnedThroughMs, acceptedAtMs);

  await loop.restart("embedding_shard/0");
  let ms = 0; // while no trainer learns, a round a second looks at the shards
  for (; (await found()).includes(1) && ms <= 1_100; ms += 10) await loop.mesh.advance(10);
  assert.ok(ms <= 1_100, "the lost rows are served for longer than a second");
  assert.equal((await loop.feedStatus()).learnedThroughMs, 0);
  assert.equal((await loop.rank("user-0", ["item-0"])).learnedThroughMs, 0);
  await loop.mesh.advance(5_000);
  assert.deepEqual(await found(), [0, 0]);
  assert.equal(await servedRows(), await learnedRows());
  assert.equal((await loop.rank("user-0", ["item-0"])).learnedThroughMs, acceptedAtMs);
  await loop.stop();
});

Deno.test("rows that expire in a shard leave its replica, and rankings are cold again", async () => {
  const loop = await Loop.start({ expirySeconds: 10 });
  for (let i = 0; i < 10; i++) await visit(loop, i);
  await loop.mesh.advance(1_000);
  assert.equal((await loop.rank("user-0", ["item-0"])).items[0].cold, false);
  const others = Array.from({ length: 8 }, (_, i) => `other-item-${i}`);
  for (let second = 0; second < 30; second++) {
    await loop.mesh.advance(1_000);
    // Moves the data clock of every shard without an update of the earlier rows.
    const { rankingId } = await loop.rank("other-user", others);
    for (const item of others) await loop.act(rankingId, item, "click");
  }
  await loop.mesh.advance(2_000);
  assert.equal((await loop.rank("user-0", ["item-0"])).items[0].cold, true);
  let learned = 0, served = 0;
  for (let shard = 0; shard < loop.shards; shard++) {
    const node = loop.mesh.node();
    const statistics = { kind: "getStatistics" } as const;
    const table = node.actorRef<EmbeddingShardMessage>(`embedding_shard/${shard}`);
    const replica = node.actorRef<ServingReplicaMessage>(`serving_replica/${shard}`);
    learned += (await loop.mesh.settle(table.ask(statistics, BUDGET))).rows;
    served += (await loop.mesh.settle(replica.ask(statistics, BUDGET))).rows;
  }
  assert.deepEqual([learned, served], [9, 9]);
  await loop.stop();
});
