/**
 * Snapshots that are retained, and the part of the example log that they need.
 */
import assert from "node:assert/strict";
import type { TrainerMessage } from "../../../actors/trainer/protocol.ts";
import { readManifests } from "../../../records/snapshot_manifest.ts";
import { BUDGET, crashShard, snapshot, start, visit } from "./snapshots_of_loop.ts";

Deno.test("older and unfinished snapshots are deleted, and the log before the kept ones is trimmed", async () => {
  const world = await start({ snapshotsRetained: 2 });
  const { loop } = world;
  await loop.blobs.put("snapshots/000000000000001/shard-0/chunk-00000", new Uint8Array(9));
  const names: string[] = [];
  for (let i = 0; i < 4; i++) {
    await visit(loop, 10 * i, 10 * i + 10);
    names.push((await snapshot(world)).name!);
  }
  const manifests = await readManifests(loop.blobs);
  assert.deepEqual(manifests.map(({ name }) => name), [names[3], names[2]]);
  const blobs = await loop.blobs.list("snapshots/");
  assert.ok(blobs.every((blob) => blob.startsWith(names[2]) || blob.startsWith(names[3])));
  const [first] = await loop.exampleLog.read(0, 0, 1);
  const oldestCut = manifests[1].trainers[0].offset;
  assert.equal(first.offset, oldestCut - 1, "a restore compares the chunk before the cut");
  // The kept snapshots are enough for a restart.
  crashShard(world, 1);
  await loop.mesh.advance(5_000);
  const trainer = loop.mesh.node().actorRef<TrainerMessage>("trainer/0");
  const { offsets: [{ offset }] } = await loop.mesh.settle(
    trainer.ask({ kind: "getStatus" }, BUDGET),
  );
  assert.equal(offset, await loop.exampleLog.endOffset(0));
  await loop.stop();
});

Deno.test("blobs that failed deletes left are deleted also where nothing was learned since", async () => {
  const world = await start();
  const { blobs } = world.loop;
  await visit(world.loop, 0, 5);
  const { name } = await snapshot(world);
  const kept = await blobs.list("snapshots/");
  await blobs.put("snapshots/000000000000001/trainer/0", new Uint8Array(9));
  await blobs.put(`${name}/shard-0/chunk-00099`, new Uint8Array(9));
  assert.deepEqual(await snapshot(world), {});
  assert.deepEqual(await blobs.list("snapshots/"), kept);
  await world.loop.stop();
});

Deno.test("without snapshots the example log is trimmed as it is learned, except for its last record", async () => {
  const { loop, snapshotter } = await start({ snapshotsRetained: 0 });
  for (let i = 0; i < 20; i++) {
    const { rankingId } = await loop.rank(`u${i}`, ["a", "b"]);
    await loop.act(rankingId, "a", "click");
    await loop.mesh.advance(50);
  }
  const end = await loop.exampleLog.endOffset(0);
  const { offset } = await loop.trainerStatus();
  assert.ok(offset > 10 && offset <= end);
  await loop.mesh.settle(snapshotter.ask({ kind: "takeSnapshot" }, BUDGET));
  assert.equal((await loop.exampleLog.read(0, 0, 1))[0].offset, Math.min(offset, end - 1));
  assert.deepEqual(await readManifests(loop.blobs), []);

  let learned = loop.mesh.telemetry.value("cairn_trainer_rows_learned", { partition: "0" });
  for (const address of ["trainer/0", "joiner/0", "embedding_shard/1"] as const) {
    await loop.restart(address);
    const { rankingId } = await loop.rank("again", ["a", "b"]);
    await loop.act(rankingId, "b", "click");
    await loop.mesh.advance(1_500);
    const now = loop.mesh.telemetry.value("cairn_trainer_rows_learned", { partition: "0" });
    assert.equal(now, ++learned, `after the restart of ${address}`);
  }
  await loop.stop();
});

Deno.test("a full example log of several partitions is drained by snapshots, and no example is lost or repeated", async () => {
  const learned = async (exampleBytesMax: number) => {
    const world = await start({ snapshotsRetained: 2, trainers: 3, exampleBytesMax });
    const { loop, ledger } = world;
    for (let i = 0; i < 8; i++) {
      await visit(loop, 10 * i, 10 * i + 10);
      if (i === 5) crashShard(world, 1); // it begins from the one snapshot that is left
    }
    const waited = loop.exampleLog.refusal() !== undefined;
    await loop.mesh.advance(60_000);
    assert.equal(loop.exampleLog.refusal(), undefined);
    assert.equal((await loop.joinerStatus()).offset, await loop.eventLog.endOffset(0));
    const total = ledger.total();
    await loop.stop();
    return { waited, total };
  };
  const roomy = await learned(Infinity);
  const tight = await learned(12_000);
  assert.deepEqual([roomy.waited, tight.waited], [false, true]);
  assert.deepEqual(tight.total, roomy.total);
});
