/**
 * Goal: a replica has the mark of its own rows, and no host waits for another one's.
 */
import assert from "node:assert/strict";
import { HOSTS, startFeeds } from "./two_feeds.ts";

Deno.test("each host gets changed rows with the mark that they are of", async () => {
  const { mesh, shard, replica, tell, last } = await startFeeds({ rows: 100 });
  assert.deepEqual([(await replica(0)).rows, (await replica(1)).rows], [100, 100]);
  shard.learn(200, 150);
  tell(500);
  await mesh.advance(1);
  assert.deepEqual(last(), [500, 500]);
  for (const host of HOSTS) {
    const { rows, position } = await replica(host);
    assert.deepEqual([rows, position?.sequence], [250, 3], "64 rows a delta, at most");
  }
  await mesh.stop();
});

Deno.test("a replica that stands still holds back its own host alone", async () => {
  const { mesh, shard, replica, startReplica, tell, last } = await startFeeds();
  tell(100);
  await mesh.advance(1);
  const node = mesh.node();
  await mesh.settle(node.stopActor("serving_replica/0@1", 0));
  for (let i = 1; i <= 20; i++) {
    shard.learn(10 * i, 10);
    tell(100 + i);
    await mesh.advance(1);
    assert.equal(last()[0], 100 + i);
  }
  assert.equal(last()[1], 100);
  await startReplica(1);
  await mesh.advance(50);
  assert.deepEqual(last(), [120, 120]);
  assert.equal((await replica(1)).rows, 200);
  await mesh.stop();
});

Deno.test("a host takes rows of a restarted shard only after its replica has given the mark back", async () => {
  const { mesh, shard, away, restart, replica, tell, last } = await startFeeds({ rows: 10 });
  tell(100);
  await mesh.advance(1);
  away.add(1);
  await restart("second");
  shard.learn(0, 5);
  await mesh.advance(50);
  assert.deepEqual(last(), [0, 100]);
  assert.deepEqual([(await replica(0)).rows, (await replica(1)).rows], [5, 10]);
  tell(40);
  await mesh.advance(50);
  assert.deepEqual(last(), [40, 100]);
  away.delete(1);
  await mesh.advance(50);
  assert.deepEqual(last(), [40, 40]);
  assert.equal((await replica(1)).rows, 5);
  await mesh.stop();
});

Deno.test("a mark of another incarnation of the shard is not taken", async () => {
  const { mesh, tell, last } = await startFeeds();
  tell(100, "before");
  await mesh.advance(2_000);
  assert.deepEqual(last(), [0, 0]);
  tell(100);
  await mesh.advance(1);
  assert.deepEqual(last(), [100, 100]);
  await mesh.stop();
});

Deno.test("a mark is not given before a delta has all changes", async () => {
  const { mesh, shard, tell, marks, replica } = await startFeeds();
  shard.learn(0, 200);
  tell(100);
  await mesh.advance(1);
  assert.deepEqual([marks[0].at(-1), (await replica(0)).rows], [100, 200]);
  assert.equal((await replica(0)).position?.sequence, 4);
  await mesh.stop();
});

Deno.test("rows come within a second without a mark, and an idle host asks once a second", async () => {
  const { mesh, shard, replica, tell } = await startFeeds();
  tell(100);
  await mesh.advance(1);
  shard.learn(0, 10);
  await mesh.advance(1_000);
  assert.equal((await replica(0)).rows, 10);
  shard.takes = 0;
  await mesh.advance(10_000);
  assert.ok(shard.takes >= 18 && shard.takes <= 22, `${shard.takes} questions of two hosts`);
  await mesh.stop();
});

Deno.test("a replica is told its mark when it rises, and again when it has started", async () => {
  const { mesh, marks, startReplica, tell, last } = await startFeeds();
  tell(100);
  await mesh.advance(10);
  const told = marks[0].length;
  await mesh.advance(10_000);
  assert.equal(marks[0].length, told);
  await mesh.settle(mesh.node().stopActor("serving_replica/0@1", 0));
  await startReplica(1);
  await mesh.advance(20);
  assert.equal(marks[0].length, told);
  assert.deepEqual(last(), [100, 100]);
  await mesh.stop();
});

Deno.test("a replica that begins empty beside its mark lowers it until the rows are there", async () => {
  const { mesh, shard, restart, replica, startReplica, tell, marks } = await startFeeds({
    rows: 100,
  });
  await restart("second");
  shard.tables.deltas.take(0, 1); // as a load that ends before the first delta
  await mesh.settle(mesh.node().stopActor("embedding_shard/0", 0));
  shard.learn(0, 30);
  await mesh.settle(mesh.node().spawn(shard.definition, 0, undefined));
  await mesh.advance(20);
  tell(100);
  await mesh.advance(1);
  assert.equal(marks[1].at(-1), 100);
  const before = marks[1].length;
  await mesh.settle(mesh.node().stopActor("serving_replica/0@1", 0));
  await startReplica(1);
  await mesh.advance(20);
  assert.deepEqual(marks[1].slice(before), [0, 100]);
  assert.equal((await replica(1)).rows, 30);
  await mesh.stop();
});
