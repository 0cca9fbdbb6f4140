import assert from "node:assert/strict";
import { defineSnapshotter } from "../../../actors/snapshotter/definition.ts";
import {
  bytesWritten,
  chainLength,
  keepSnapshots,
  partsOf,
  pinSnapshot,
  readManifests,
  snapshotBytes,
  unpinSnapshot,
} from "../../../records/snapshot_manifest.ts";
import { chainOf } from "../../../records/snapshot_parts.ts";
import { verifySnapshot } from "../../../offline/data_directory/verify_snapshot.ts";
import { present } from "../../../structures/invariant.ts";
import { snapshotBits } from "../../records/snapshot_bits.ts";
import { Loop } from "../loop.ts";

const BUDGET = { budgetMs: 10_000 };

async function start(bounds: { incrementsMax?: number; incrementsShare?: number } = {}) {
  const loop = await Loop.start({
    shards: 2,
    joiner: { lingerMs: 10 },
    trainer: { batchRows: 8, shardBudgetMs: 100, shardAttemptsMax: 2 },
  });
  const { blobs, exampleLog } = loop;
  const snapshotter = await loop.mesh.settle(
    loop.mesh.node().spawn(defineSnapshotter({ blobs, exampleLog }), 0, {
      trainers: loop.trainers,
      dealing: 0,
      partitions: exampleLog.partitions,
      shards: ["embedding_shard/0", "embedding_shard/1"],
      intervalMs: 3_600_000,
      spreadMs: 0,
      snapshotsRetained: 2,
      incrementsMax: 2,
      incrementsShare: 4,
      ...bounds,
      budgetMs: 5_000,
    }),
  );
  const snapshot = async () => {
    const taken = await loop.mesh.settle(snapshotter.ask({ kind: "takeSnapshot" }, BUDGET));
    const [newest] = await readManifests(blobs);
    assert.equal(newest.name, taken.name);
    return newest;
  };
  return { loop, snapshot };
}

/** Clicks of many users on many items, or of one user on one item. */
async function visit(loop: Loop, users: number): Promise<void> {
  for (let user = 0; user < users; user++) {
    const { rankingId } = await loop.rank(`user-${user}`, [`item-${user}`]);
    await loop.act(rankingId, `item-${user}`, "click");
  }
  await loop.mesh.advance(500);
}

Deno.test("a snapshot writes what changed since the last one, and every few of them all rows", async () => {
  const { loop, snapshot } = await start();
  await visit(loop, 200);
  const full = await snapshot();
  const lengths = [chainLength(full)];
  for (let i = 0; i < 4; i++) {
    await visit(loop, 2);
    const next = await snapshot();
    lengths.push(chainLength(next));
    if (chainLength(next) === 1) continue;
    const rows = (manifest: typeof next) =>
      manifest.shards.flatMap(({ chunks }) => chunks).reduce((sum, { rows }) => sum + rows, 0);
    assert.ok(rows(next) <= 4, `${rows(next)} rows of two users and two items`);
    assert.ok(bytesWritten(next) < snapshotBytes(next));
  }
  assert.deepEqual(lengths, [1, 2, 3, 1, 2]);
  await loop.stop();
});

Deno.test("increments over their share of the full snapshot make a full one", async () => {
  const { loop, snapshot } = await start({ incrementsMax: 100, incrementsShare: 0.5 });
  await visit(loop, 50);
  await snapshot();
  await visit(loop, 50);
  assert.equal(chainLength(await snapshot()), 1);
  await loop.stop();
});

Deno.test("a shard that restarts continues the chain of the snapshot that it was restored from", async () => {
  const { loop, snapshot } = await start();
  await visit(loop, 100);
  await snapshot();
  await visit(loop, 3);
  await snapshot();
  const before = await snapshotBits(loop.blobs);
  await loop.restart("embedding_shard/0");
  await loop.mesh.advance(5_000);
  await visit(loop, 1);
  const manifest = await snapshot();
  assert.equal(chainLength(manifest), 3);
  const after = await snapshotBits(loop.blobs);
  const [old, now] = [new Set(before.rows), new Set(after.rows)];
  assert.ok([...old].filter((row) => !now.has(row)).length <= 2, "one user and one item changed");
  await loop.stop();
});

Deno.test("blobs stay as long as a kept or a pinned snapshot names them, and no longer", async () => {
  const { loop, snapshot } = await start({ incrementsMax: 1 });
  const { blobs } = loop;
  await visit(loop, 20);
  await snapshot();
  await visit(loop, 1);
  const pinned = await snapshot();
  assert.equal(chainLength(pinned), 2);
  await pinSnapshot(blobs, pinned.name);
  for (let i = 0; i < 5; i++) {
    await visit(loop, 1);
    await snapshot();
  }
  assert.deepEqual((await verifySnapshot(blobs, pinned.name)).problems, []);
  await unpinSnapshot(blobs, pinned.name);
  const kept = (await readManifests(blobs)).slice(0, 2);
  await keepSnapshots(blobs, kept);
  const named = new Set(kept.flatMap((manifest) => [
    `${manifest.name}/manifest.json`,
    ...partsOf(manifest).map(({ name }) => name),
  ]));
  assert.deepEqual(await blobs.list("snapshots/"), [...named].sort());
  await loop.stop();
});

Deno.test("a snapshot after its store was emptied has all rows, also without new examples", async () => {
  const { loop, snapshot } = await start();
  const { blobs } = loop;
  await visit(loop, 200);
  const full = await snapshot();
  await visit(loop, 2);
  assert.equal(chainLength(await snapshot()), 2);
  const before = await snapshotBits(blobs);
  // A part of an earlier snapshot, on which the newest one builds.
  await blobs.delete(full.shards[0].chunks[0].name);
  const again = await snapshot();
  assert.equal(chainLength(again), 1);
  assert.deepEqual((await verifySnapshot(blobs, again.name)).problems, []);
  assert.deepEqual((await snapshotBits(blobs)).rows, before.rows);
  for (const blob of await blobs.list("")) await blobs.delete(blob);
  const alone = await snapshot();
  assert.deepEqual((await verifySnapshot(blobs, alone.name)).problems, []);
  assert.deepEqual((await snapshotBits(blobs)).rows, before.rows);
  const lost = loop.mesh.telemetry.lines.filter(({ message }) =>
    message.includes("has lost parts")
  );
  assert.equal(lost.length, 2);
  await loop.stop();
});

Deno.test("a damaged member anywhere in a chain is named by a check of the snapshot", async () => {
  const { loop, snapshot } = await start();
  await visit(loop, 30);
  await snapshot();
  await visit(loop, 2);
  const manifest = await snapshot();
  const [part] = manifest.shards;
  const [{ name }] = present(chainOf(part)[0], "a chain has a full member").chunks;
  const bytes = present(await loop.blobs.get(name), name);
  bytes[bytes.length >> 1] ^= 4;
  await loop.blobs.put(name, bytes);
  const { problems } = await verifySnapshot(loop.blobs, manifest.name);
  assert.equal(problems.length, 1);
  assert.match(problems[0], new RegExp(`${name}: checksum mismatch`));
  await loop.stop();
});
