/**
 * Cuts that snapshots hold: whatever crashes or restarts, each example is learned once.
 */
import assert from "node:assert/strict";
import type { TrainerMessage } from "../../../actors/trainer/protocol.ts";
import { readManifests } from "../../../records/snapshot_manifest.ts";
import {
  assertEachLearnedOnce,
  BUDGET,
  crashShard,
  SHARDS,
  snapshot,
  start,
  visit,
} from "./snapshots_of_loop.ts";

Deno.test("a shard that crashes before any snapshot learns the whole log again, and the other shards do not", async () => {
  const world = await start();
  await visit(world.loop, 0, 20);
  crashShard(world, 1);
  await visit(world.loop, 20, 40);
  await assertEachLearnedOnce(world);
  await world.loop.stop();
});

Deno.test("a shard that crashes after a snapshot begins from it, and learns the later examples once", async () => {
  const world = await start();
  await visit(world.loop, 0, 20);
  assert.match((await snapshot(world)).name!, /^snapshots\/\d{15}$/);
  await visit(world.loop, 20, 40);
  crashShard(world, 0);
  crashShard(world, 2);
  await visit(world.loop, 40, 60);
  await assertEachLearnedOnce(world);
  const trainer = world.loop.mesh.node().actorRef<TrainerMessage>("trainer/0");
  const { examples } = await world.loop.mesh.settle(trainer.ask({ kind: "getStatus" }, BUDGET));
  assert.ok(examples < 180, `${examples} of 180 examples since the trainer's restart`);
  await world.loop.stop();
});

Deno.test("rows learned while a snapshot is written are not in it, and are learned again after it", async () => {
  const world = await start();
  await visit(world.loop, 0, 20);
  const taken = world.snapshotter.ask({ kind: "takeSnapshot" }, BUDGET);
  await visit(world.loop, 20, 40);
  assert.ok((await taken).name);
  for (let shard = 0; shard < SHARDS; shard++) crashShard(world, shard);
  await assertEachLearnedOnce(world);
  await world.loop.stop();
});

Deno.test("no snapshot is taken while a restarted trainer is behind its shards, whose rows would come twice", async () => {
  const world = await start();
  const { loop } = world;
  await visit(loop, 0, 10);
  await snapshot(world);
  await visit(loop, 10, 40);
  world.failsStep = true;
  const { rankingId } = await loop.rank("user", ["item"]);
  await loop.act(rankingId, "item", "click");
  await loop.mesh.advance(20);
  assert.equal(world.failsStep, false);
  // The first request is handled right after the restart, at the rows of the last snapshot, and
  // the second one when the trainer has learned one batch again.
  const ask = () => world.snapshotter.ask({ kind: "takeSnapshot" }, BUDGET);
  const [first, second] = [ask(), ask()];
  second.catch(() => {}); // awaited below
  assert.deepEqual(await loop.mesh.settle(first), {});
  await assert.rejects(loop.mesh.settle(second), { name: "CutPassedError" });
  for (let shard = 0; shard < SHARDS; shard++) crashShard(world, shard);
  await assertEachLearnedOnce(world);
  await visit(loop, 40, 50);
  assert.ok((await snapshot(world)).name, "the trainer has caught up");
  await loop.stop();
});

Deno.test("a cut holds all trainers, and after a crash of any of them each example is learned once", async () => {
  const world = await start({ trainers: 3 });
  const { loop } = world;
  await visit(loop, 0, 30);
  const taken = world.snapshotter.ask({ kind: "takeSnapshot" }, BUDGET);
  await visit(loop, 30, 50);
  assert.ok((await taken).name);
  assert.deepEqual(await snapshot(world).then(({ name }) => typeof name), "string");
  const [{ trainers }] = await readManifests(loop.blobs);
  assert.deepEqual(trainers.map(({ source }) => source), ["trainer/0", "trainer/1", "trainer/2"]);
  for (const { partition, sequence, offset } of trainers) {
    const chunks = await loop.examples(partition);
    assert.equal(chunks.reduce((sum, { rows }) => sum + rows, 0), sequence);
    assert.equal(chunks.length, offset);
  }
  assert.deepEqual(await snapshot(world), {}, "nothing was learned since by any of them");
  await visit(loop, 50, 70);
  crashShard(world, 0);
  await loop.restart("trainer/1");
  await visit(loop, 70, 90);
  await assertEachLearnedOnce(world);
  await loop.stop();
});

Deno.test("a trainer that is not the last to cut begins from that cut, also where shards own no row of its last batch", async () => {
  const world = await start({ trainers: 2 });
  const { loop } = world;
  for (let i = 0; i < 12; i++) {
    const { rankingId } = await loop.rank(`user-${i}`, [`item-${i}`]);
    await loop.act(rankingId, `item-${i}`, "click");
    await loop.mesh.advance(100); // batches of one row
  }
  const { offset } = await loop.trainerStatus(0);
  assert.ok((await snapshot(world)).name);
  await loop.restart("trainer/0");
  await loop.mesh.advance(1_000);
  const status = await loop.trainerStatus(0);
  assert.deepEqual([status.offset, status.examples], [offset, 0]);
  await loop.stop();
});
