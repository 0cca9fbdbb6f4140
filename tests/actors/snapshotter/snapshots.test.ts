/**
 * Snapshots that are refused, damaged or have nothing new.
 */
import assert from "node:assert/strict";
import type { SnapshotPublisher } from "../../../actors/snapshotter/publisher.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { StaleManifestError } from "../../../mesh/ports/coordination_errors.ts";
import {
  claimName,
  readManifests,
  snapshotAtMs,
  snapshotName,
} from "../../../records/snapshot_manifest.ts";
import { present } from "../../../structures/invariant.ts";
import { Loop } from "../loop.ts";
import { crashShard, SHARDS, snapshot, start, visit } from "./snapshots_of_loop.ts";

Deno.test("a snapshot that the mesh refuses is not written, and the older one stays the newest", async () => {
  const outcome = { refused: false, isCurrent: true };
  const publisher: SnapshotPublisher = {
    begin: () =>
      Promise.resolve({
        publish: (name) =>
          outcome.refused
            ? Promise.reject(new StaleManifestError(name, "an owner was lost"))
            : Promise.resolve(),
        recordOldest: () => Promise.resolve(outcome.isCurrent),
      }),
  };
  const world = await start({ snapshotsRetained: 1 }, publisher);
  const names = async () => (await readManifests(world.loop.blobs)).map(({ name }) => name);
  await visit(world.loop, 0, 10);
  const { name: first } = await snapshot(world);
  await visit(world.loop, 10, 20);
  outcome.refused = true;
  world.told.length = 0;
  await assert.rejects(snapshot(world), { name: "StaleManifestError" });
  assert.deepEqual(await names(), [first]);
  const [failure] = world.told;
  assert.match(failure?.reason ?? "", /is not used: an owner was lost\./);
  assert.equal(failure?.newestAtMs, snapshotAtMs(present(first, "it was taken")));
  outcome.refused = false;
  // An owner was lost while the manifest was written, and is restored from the one before.
  outcome.isCurrent = false;
  const { name: second } = await snapshot(world);
  assert.deepEqual(await names(), [second, first]);
  assert.deepEqual(world.told, [failure, undefined]);
  outcome.isCurrent = true;
  await visit(world.loop, 20, 30);
  const { name: third } = await snapshot(world);
  assert.deepEqual(await names(), [third]);
  await world.loop.stop();
});

Deno.test("a snapshot's name is stored when the mesh is asked, and a later snapshotter goes above it", async () => {
  const stored: string[][] = [];
  let isFormer = false;
  const publisher: SnapshotPublisher = {
    async begin() {
      stored.push(await world.loop.blobs.list("snapshots/"));
      if (isFormer) throw new Error("another host takes the snapshots by now");
      return { publish: () => Promise.resolve(), recordOldest: () => Promise.resolve(true) };
    },
  };
  const world = await start({ snapshotsRetained: 1 }, publisher);
  const { loop } = world;
  await visit(loop, 0, 10);
  const { name: first } = await snapshot(world);
  assert.deepEqual(stored.pop(), [`${first}/claimed`]);
  const finished = await loop.blobs.list("snapshots/");
  assert.ok(!finished.includes(`${first}/claimed`));
  assert.deepEqual(await snapshot(world), {}, "nothing was learned");
  assert.deepEqual(await loop.blobs.list("snapshots/"), finished);

  isFormer = true;
  await visit(loop, 10, 20);
  await assert.rejects(snapshot(world), /another host takes the snapshots by now/);
  assert.match(stored.pop()!.find((blob) => !finished.includes(blob))!, /\/claimed$/);
  assert.deepEqual(await loop.blobs.list("snapshots/"), finished, "nothing is left of it");

  // By a clock that is an hour ahead.
  const ahead = snapshotName(loop.mesh.clock.nowMs() + 3_600_000);
  await claimName(loop.blobs, ahead);
  isFormer = false;
  await world.replaceSnapshotter();
  await loop.blobs.put(`${ahead}/shard-0/chunk-00000`, new Uint8Array(1)); // written late
  const { name: next } = await snapshot(world);
  assert.ok(next! > ahead);
  assert.ok((await loop.blobs.list("snapshots/")).every((blob) => !blob.startsWith(ahead)));
  await loop.stop();
});

Deno.test("a snapshot with a part in the store of another host is refused, and names the part", async () => {
  const world = await start({ snapshotsRetained: 1 });
  const { loop } = world;
  const names = async () => (await readManifests(loop.blobs)).map(({ name }) => name);
  await visit(loop, 0, 10);
  const { name: first } = await snapshot(world);
  await visit(loop, 10, 20);
  const put = loop.blobs.put.bind(loop.blobs);
  loop.blobs.put = (name, bytes) =>
    name.includes("/shard-1/") ? Promise.resolve() : put(name, bytes);
  await assert.rejects(snapshot(world), /lacks snapshots\/\d+\/shard-1\/header, which the host/);
  assert.deepEqual(await names(), [first]);
  loop.blobs.put = put;
  const { name: second } = await snapshot(world);
  assert.deepEqual(await names(), [second]);
  await loop.stop();
});

Deno.test("a trainer refuses an example log that is shorter than its snapshot, and names it", async () => {
  const world = await start();
  const { loop } = world;
  await visit(loop, 0, 20);
  await snapshot(world);
  const { eventLog, blobs } = loop;
  await loop.stop();
  const exampleLog = new MemoryEventLog({ name: "examples", partitions: 1 });
  await assert.rejects(
    Loop.start({ shards: SHARDS, storage: { eventLog, exampleLog, blobs } }),
    /snapshot has what was learned before offset \d+ .*\(examples\/0\).* ends at offset 0/,
  );
});

Deno.test("a snapshot is skipped where nothing was learned since the last", async () => {
  const world = await start();
  await visit(world.loop, 0, 5);
  assert.ok((await snapshot(world)).name);
  assert.deepEqual(await snapshot(world), {});
  await world.loop.stop();
});

Deno.test("a damaged part is refused by its name", async () => {
  const world = await start();
  const { loop } = world;
  await visit(loop, 0, 20);
  const { name } = await snapshot(world);
  const chunk = `${name}/shard-1/chunk-00000`;
  const bytes = (await loop.blobs.get(chunk))!;
  bytes[bytes.length >> 1] ^= 4;
  await loop.blobs.put(chunk, bytes);
  crashShard(world, 1);
  await loop.mesh.advance(60_000);
  const given = loop.mesh.telemetry.lines.filter(({ message }) =>
    message.startsWith("embedding_shard/1 crashes again and again")
  );
  assert.match(String(given[0]?.fields.reason), new RegExp(`${chunk}: checksum mismatch`));
  await loop.stop();
});
