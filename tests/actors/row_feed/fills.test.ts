/**
 * Goal: a replica that lacks rows is filled once, which holds up its own host alone, and goes on by
 * deltas.
 */
import assert from "node:assert/strict";
import { defineRowFeed } from "../../../actors/row_feed/definition.ts";
import { startFeeds } from "./two_feeds.ts";

Deno.test("a host that fills its replica holds back its own mark alone", async () => {
  const { mesh, shard, status, tell, last, replica, startReplica } = await startFeeds({
    rows: 1_000,
  });
  tell(100);
  await mesh.advance(1);
  shard.pageMs = 100; // 16 pages
  const node = mesh.node();
  await mesh.settle(node.stopActor("serving_replica/0@1", 0));
  await startReplica(1);
  for (let i = 1; i <= 10; i++) {
    shard.learn(0, 10);
    tell(100 + i);
    await mesh.advance(100);
    assert.deepEqual(last(), [100 + i, 100]);
  }
  await mesh.advance(1_500);
  assert.deepEqual(last(), [110, 110]);
  assert.deepEqual([(await status(0)).gaps, (await status(1)).gaps], [0, 1]);
  assert.equal((await replica(1)).rows, 1_000);
  await mesh.stop();
});

Deno.test("a host goes on at the deltas since its fill began, after a fill of a minute", async () => {
  const { mesh, shard, tell, last, status, startReplica } = await startFeeds({ rows: 1_000 });
  const node = mesh.node();
  await mesh.settle(node.stopActor("serving_replica/0@1", 0));
  const { pages } = shard;
  shard.pageMs = 4_000; // 16 pages
  await startReplica(1);
  for (let i = 1; i <= 650; i++) {
    shard.learn(0, 10);
    tell(100 + i);
    await mesh.advance(100);
  }
  assert.deepEqual(last(), [750, 750]);
  assert.deepEqual([shard.pages - pages, (await status(1)).gaps], [16, 1], "one fill");
  await mesh.stop();
});

Deno.test("a replica that is filled because it has restarted gets its mark again, whether or not its start was heard of", async () => {
  const { mesh, shard, marks, startReplica, replica, tell } = await startFeeds({ rows: 10 });
  tell(100);
  await mesh.advance(10);
  const told = marks[1].length;
  await mesh.settle(mesh.node().stopActor("serving_replica/0@1", 0));
  await startReplica(1, "row_feed/7");
  shard.learn(10, 5);
  await mesh.advance(3_000);
  assert.equal((await replica(1)).rows, 15);
  assert.deepEqual(marks[1].slice(told), [100]);
  await mesh.stop();
});

Deno.test("a feed that restarts goes on at its replica's position, without a fill", async () => {
  const { mesh, shard, tell, last, replica } = await startFeeds({ rows: 100 });
  tell(100);
  await mesh.advance(1);
  const { pages } = shard;
  const node = mesh.node();
  await mesh.settle(node.stopActor("row_feed/0", 0));
  shard.learn(300, 10);
  tell(200);
  await mesh.advance(10);
  await mesh.settle(node.spawn(defineRowFeed(), 0, {
    sharding: 0,
    replicas: [{ shard: "embedding_shard/0", replica: "serving_replica/0@0" }],
    asked: [],
    ...{ scorer: "scorer/0" as const, retryMs: 10, rowsMax: 64, budgetMs: 5_000 },
  }));
  await mesh.advance(10);
  assert.deepEqual(last(), [200, 200]);
  assert.equal((await replica(0)).rows, 110);
  assert.equal(shard.pages, pages);
  await mesh.stop();
});

Deno.test("a replica with rows keeps them while its shard loads, an empty one begins without", async () => {
  const { mesh, shard, restart, replica, startReplica } = await startFeeds({ rows: 100 });
  shard.isLoading = true;
  await restart("second");
  await mesh.advance(500);
  assert.equal((await replica(0)).rows, 100);
  await mesh.settle(mesh.node().stopActor("serving_replica/0@1", 0));
  await startReplica(1);
  await mesh.advance(10);
  assert.deepEqual([(await replica(1)).rows, (await replica(1)).position?.sequence], [0, 0]);
  shard.learn(0, 30);
  await mesh.advance(200);
  assert.deepEqual([(await replica(0)).rows, (await replica(1)).rows], [100, 30]);
  shard.isLoading = false;
  shard.learn(30, 30);
  await mesh.advance(1_100);
  assert.deepEqual([(await replica(0)).rows, (await replica(1)).rows], [60, 60]);
  await mesh.stop();
});

Deno.test("a replica that began empty in a load is filled, also by a feed that has restarted", async () => {
  const { mesh, shard, restart, replica, tell, last, startReplica } = await startFeeds();
  const node = mesh.node();
  shard.isLoading = true;
  await restart("second");
  shard.learn(0, 30);
  await mesh.settle(node.stopActor("serving_replica/0@1", 0));
  await startReplica(1);
  await mesh.advance(200);
  assert.deepEqual([(await replica(1)).rows, (await replica(1)).position?.sequence], [0, 0]);
  await mesh.settle(node.stopActor("row_feed/1", 0));
  await mesh.settle(node.spawn(defineRowFeed(), 1, {
    sharding: 0,
    replicas: [{ shard: "embedding_shard/0", replica: "serving_replica/0@1" }],
    asked: [],
    ...{ scorer: "scorer/1" as const, retryMs: 10, rowsMax: 64, budgetMs: 5_000 },
  }));
  shard.isLoading = false;
  tell(100);
  await mesh.advance(2_000);
  assert.equal((await replica(1)).rows, 30);
  assert.deepEqual(last(), [100, 100]);
  await mesh.stop();
});
