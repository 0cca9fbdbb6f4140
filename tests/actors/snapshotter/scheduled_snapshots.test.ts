/**
 * Snapshots by interval, spread over time.
 */
import assert from "node:assert/strict";
import { listSnapshots, readManifests, writeManifest } from "../../../records/snapshot_manifest.ts";
import {
  assertEachLearnedOnce,
  chunksWritten,
  crashShard,
  outcomes,
  SHARDS,
  snapshot,
  start,
  visit,
  type World,
} from "./snapshots_of_loop.ts";

Deno.test("a scheduled snapshot is spread over time, and holds the cut of its beginning", async () => {
  const world = await start({ intervalMs: 30_000, spreadMs: 10_000, snapshotChunkRows: 1 });
  const { loop } = world;
  await visit(loop, 0, 20);
  while (await chunksWritten(world) === 0) await loop.mesh.advance(100);
  const { offset } = await loop.trainerStatus();
  const written: number[] = [];
  for (let second = 0; second < 12; second++) {
    await visit(loop, 20 + second, 21 + second); // half a second
    await loop.mesh.advance(500);
    written.push(await chunksWritten(world));
  }
  const total = written[11];
  assert.ok(total > 10, `${total} chunks`);
  const most = Math.max(...written.map((chunks, i) => chunks - (written[i - 1] ?? 0)));
  assert.ok(most <= total / 3, `${most} of ${total} chunks in one second: ${written}`);
  await loop.mesh.advance(3_000);
  const [{ trainers }] = await readManifests(loop.blobs);
  assert.equal(trainers[0].offset, offset);
  for (let shard = 0; shard < SHARDS; shard++) crashShard(world, shard);
  await assertEachLearnedOnce(world);
  await loop.stop();
});

Deno.test("a requested snapshot cancels the scheduled one, which does not count as failed", async () => {
  const world = await start({ intervalMs: 30_000, spreadMs: 10_000, snapshotChunkRows: 2 });
  const { loop } = world;
  await visit(loop, 0, 20);
  while (await chunksWritten(world) < 3) await loop.mesh.advance(100);
  await visit(loop, 20, 22);
  const { offset } = await loop.trainerStatus();
  const askedAtMs = loop.mesh.clock.monotonicMs();
  const { name } = await snapshot(world);
  const tookMs = loop.mesh.clock.monotonicMs() - askedAtMs;
  assert.ok(tookMs < 200, `${tookMs} ms`);
  const manifests = await readManifests(loop.blobs);
  assert.deepEqual(manifests.map(({ name, trainers }) => [name, trainers[0].offset]), [
    [name, offset],
  ]);
  const blobs = await loop.blobs.list("snapshots/");
  assert.ok(blobs.every((blob) => blob.startsWith(name!)), "the cancelled snapshot is deleted");
  assert.deepEqual(await outcomes(world), { taken: 1, failed: 0 });
  for (let shard = 0; shard < SHARDS; shard++) crashShard(world, shard);
  await assertEachLearnedOnce(world);
  await loop.stop();
});

Deno.test("a scheduled snapshot cancelled before its shards write does not count as failed", async () => {
  const world = await start({ intervalMs: 30_000, spreadMs: 10_000, snapshotChunkRows: 2 });
  const { loop } = world;
  await visit(loop, 0, 20);
  await loop.mesh.advance(30_000 - loop.mesh.clock.monotonicMs());
  const { name } = await snapshot(world);
  assert.deepEqual((await readManifests(loop.blobs)).map(({ name }) => name), [name]);
  assert.deepEqual(await outcomes(world), { taken: 1, failed: 0 });
  await loop.stop();
});

Deno.test("an interval of one second is kept, with and without spreading", async () => {
  for (const spreadMs of [0, 400]) {
    const world = await start({ intervalMs: 1_000, spreadMs });
    const { loop } = world;
    for (let second = 0; second < 8; second++) {
      await visit(loop, second, second + 1); // half a second
      await loop.mesh.advance(500);
    }
    const { taken } = await outcomes(world);
    assert.ok(taken >= 6 && taken <= 8, `${taken} in 8 s, spread over ${spreadMs} ms`);
    await loop.stop();
  }
});

Deno.test("the snapshot after a failed one is not spread", async () => {
  const world = await start({ intervalMs: 30_000, spreadMs: 10_000, snapshotChunkRows: 1 });
  const { loop } = world;
  await visit(loop, 0, 20);
  while (await chunksWritten(world) < 3) await loop.mesh.advance(100);
  crashShard(world, 1);
  await loop.mesh.advance(1_000);
  assert.deepEqual(await outcomes(world), { taken: 0, failed: 1 });
  const left = await chunksWritten(world);
  await loop.mesh.advance(8_000);
  assert.equal(await chunksWritten(world), left, "the other shards stop writing it");
  await visit(loop, 20, 22);
  const next = () => loop.blobs.list("snapshots/").then((blobs) => blobs.at(-1)!.split("/")[1]);
  const failed = await next();
  while (await next() === failed) await loop.mesh.advance(100);
  await loop.mesh.advance(200);
  assert.equal((await outcomes(world)).taken, 1);
  await loop.stop();
});

/** Times of the snapshots that were taken, the newest first. */
async function takenAt({ loop }: World): Promise<number[]> {
  return (await readManifests(loop.blobs)).map(({ atMs }) => atMs);
}

Deno.test("snapshots are taken on time, also where the snapshotter is replaced more often", async () => {
  const world = await start({ intervalMs: 30_000 });
  const { loop } = world;
  await visit(loop, 0, 5);
  await snapshot(world);
  for (let i = 1; i <= 10; i++) {
    await loop.mesh.advance(17_000);
    await world.replaceSnapshotter();
    await visit(loop, 5 * i, 5 * i + 1);
  }
  const times = await takenAt(world);
  const gaps = times.slice(1).map((earlier, i) => times[i] - earlier);
  assert.ok(gaps.length >= 4, `${gaps}`);
  assert.ok(gaps.every((ms) => ms >= 30_000 && ms <= 36_000), `${gaps}`);
  await loop.stop();
});

Deno.test("a snapshot of a clock that is ahead puts the next one off for an interval at most", async () => {
  const world = await start({ intervalMs: 30_000 });
  const { loop } = world;
  await visit(loop, 0, 5);
  const { name } = await snapshot(world);
  const [newest] = await readManifests(loop.blobs);
  await writeManifest(loop.blobs, { ...newest, atMs: newest.atMs + 3_600_000 });
  await world.replaceSnapshotter();
  await visit(loop, 5, 10);
  await loop.mesh.advance(29_000);
  assert.deepEqual(await listSnapshots(loop.blobs), [name]);
  await loop.mesh.advance(1_000);
  assert.equal((await listSnapshots(loop.blobs)).length, 2);
  await loop.stop();
});
